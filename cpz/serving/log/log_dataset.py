"""A decision log as a dataset, on which `cpz evaluate` and `cpz train` run unchanged.

Decisions keep their exact propensities; sessions and shoppers hold the context that the requests
brought (of several values the latest one), events are those that were accepted. A decision without
feedback counts as not converted: publish after the time in which orders are placed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Any, TypeVar, cast

import msgspec
import polars as pl
import pyarrow as pa

from cpz.data.arrow_tables import to_arrow
from cpz.data.check import check_dataset
from cpz.data.dataset import Dataset, build
from cpz.data.errors import DataError, NotEnoughDataError, UsageError
from cpz.data.findings import Status
from cpz.data.manifest import Recipe, read_manifest
from cpz.data.tables import CATEGORY, SCHEMAS, SHOPPERS
from cpz.data.workspace import Workspace
from cpz.features.assemble import decided_placements, decision_batch
from cpz.features.declarations import Source
from cpz.features.online import event_schema
from cpz.features.shopper_state import Id
from cpz.serving.log.decision_log import read_log
from cpz.serving.messages import (
    DecisionLine,
    DeliveryLine,
    EventItem,
    EventLine,
    FeedbackItem,
    FeedbackLine,
    LogLine,
)
from cpz.serving.scoring.served_model import ServedModel

#: What an int16 code can tell apart; a client that sends user agents as devices exceeds it.
MAX_CATEGORIES = 32_767

_TIME = pl.Datetime("us", "UTC")
_SUFFIX = "_us"

T = TypeVar("T", DecisionLine, EventLine, FeedbackLine, DeliveryLine)


@dataclass(frozen=True, slots=True)
class PublishResult:
    """A log made into a dataset.

    Attributes:
        log: the log's name.
        dataset: the dataset's name.
        rows: of each table.
        n_without_feedback: decisions whose outcome nobody reported; they count as not converted.
        n_context_only: decisions made without the shopper's history.
        n_cut_lines: lines cut short by a crash, left out.
        n_not_received: decisions whose client had gone and never came again, left out.
        n_replaced: decisions in whose place something else was shown, left out.
        n_unknown_feedback: feedback about sessions and decisions that the log does not hold.
    """

    log: str
    dataset: str
    rows: dict[str, int]
    n_without_feedback: int
    n_context_only: int
    n_cut_lines: int
    n_not_received: int
    n_replaced: int
    n_unknown_feedback: int


def publish(
    workspace: Workspace, log: str, name: str, models: Sequence[ServedModel]
) -> tuple[Dataset, PublishResult]:
    """Write the dataset, replacing an earlier one made of the same log.

    Args:
        workspace: where log and dataset stand.
        log: the log's name.
        name: the dataset's name.
        models: those in service; the first one's catalogues come first.

    Raises:
        NotFoundError: there is no such log.
        NotEnoughDataError: it holds no decision that was shown.
        UsageError: the dataset's name belongs to other data.
        DataError: readers would refuse the dataset; an earlier one stays as it was.
    """
    content = read_log(workspace, log)
    _refuse_other_data(workspace, name, log)
    shown = _shown(content.lines, log)
    frames, notes = _fitted(_frames(content.lines, shown.decisions, models))
    notes += shown.notes
    context = {
        "sessions": _extra(frames["sessions"], "sessions"),
        "decisions": _extra(frames["decisions"], "decisions"),
    }
    recipe = Recipe(
        kind="imported",
        placements=_catalogues(shown.decisions, models),
        context={table: names for table, names in context.items() if names},
        source={"log": log, "blake2b": _content_hash(content.lines)},
        notes=(
            "made by a server: propensities are exact; no feedback counts as not converted",
            *notes,
        ),
    )
    tables = {
        table: to_arrow(table, frame, context.get(table, ()))
        for table, frame in frames.items()
        if len(frame)
    }
    rows = {table: found.num_rows for table, found in tables.items()}
    dataset = build(
        workspace, name, recipe, [lambda: tables], accept=lambda made: _accept(made, log, models)
    )
    result = PublishResult(
        log=log,
        dataset=name,
        rows=rows,
        n_without_feedback=int(frames["decisions"]["converted"].null_count()),
        n_context_only=sum(line.context_only for line in shown.decisions),
        n_cut_lines=content.n_cut,
        n_not_received=shown.n_not_received,
        n_replaced=shown.n_replaced,
        n_unknown_feedback=_count_unknown(content.lines),
    )
    return dataset, result


def _shown(lines: Sequence[LogLine], log: str) -> "_Shown":
    """Return the decisions that somebody saw; refuse a log without any."""
    n_decisions = len(_of(lines, DecisionLine))
    if not n_decisions:
        raise NotEnoughDataError(f"log {log!r} holds no decision yet", hint="ask the server first")
    shown = _Shown(lines)
    if not shown.decisions:
        raise NotEnoughDataError(
            f"log {log!r}: none of its {n_decisions} decisions was shown",
            hint="ask the server first, with a client that waits for the answer",
        )
    return shown


def _accept(made: Dataset, log: str, models: Sequence[ServedModel]) -> None:
    """Read a dataset as its readers will, or raise `DataError`: a yes here must hold there."""
    for finding in check_dataset(made).findings:
        if finding.status == Status.RED:
            raise DataError(
                f"log {log!r} does not make a valid dataset: {finding.message}",
                hint="fix or remove the lines concerned, and publish again",
            )
    features = {feature.name: feature for model in models for feature in model.features}
    for placement in decided_placements(made):
        decision_batch(made, placement, list(features.values()))


class _Shown:
    """Which decisions somebody saw.

    One whose client had gone was shown to nobody, unless it came again for the answer or feedback
    says so; where something else was shown, the outcome and the propensity are not the action's.

    Attributes:
        decisions: those that were shown, as far as is known.
        n_not_received: how many nobody received.
        n_replaced: in whose place something else was shown.
        notes: what is left out, for the dataset's manifest.
    """

    def __init__(self, lines: Sequence[LogLine]) -> None:
        told = sorted(_of(lines, DeliveryLine), key=lambda line: line.told_at_us)
        received = {line.request_id: line.is_received for line in told}
        feedback = sorted(_of(lines, FeedbackLine), key=lambda line: line.received_at_us)
        items = [line.feedback for line in feedback]
        shown = {item.decision_id: item.shown for item in items if item.shown is not None}
        self.decisions: list[DecisionLine] = []
        missed, replaced = set[int](), set[int]()
        for line in _of(lines, DecisionLine):
            option = shown.get(line.decision_id)
            if option is None and not received.get(line.request_id, True):
                missed.add(line.decision_id)
            elif option not in (None, line.action):
                replaced.add(line.decision_id)
            else:
                self.decisions.append(line)
        self.n_not_received, self.n_replaced = len(missed), len(replaced)
        left_out = {"were received by nobody": missed, "were replaced by another option": replaced}
        self.notes = [f"{len(n)} decisions {why}: left out" for why, n in left_out.items() if n]


def _count_unknown(lines: Sequence[LogLine]) -> int:
    decisions = _of(lines, DecisionLine)
    sessions = {line.session_id for line in decisions}
    known = {line.decision_id for line in decisions}
    items = [line.feedback for line in _of(lines, FeedbackLine)]
    about_sessions = [item.session_id for item in items if item.decision_id is None]
    about_decisions = [item.decision_id for item in items if item.decision_id is not None]
    n_sessions = sum(session_id not in sessions for session_id in about_sessions)
    return n_sessions + sum(decision_id not in known for decision_id in about_decisions)


def _frames(
    lines: Sequence[LogLine], shown: Sequence[DecisionLine], models: Sequence[ServedModel]
) -> dict[str, pl.DataFrame]:
    """Return the tables; several servers write files of their own, so times tell what is later."""
    decisions = sorted(_of(lines, DecisionLine), key=lambda line: line.decided_at_us)
    told = sorted(_of(lines, FeedbackLine), key=lambda line: line.received_at_us)
    feedback = [line.feedback for line in told]
    events = sorted(_of(lines, EventLine), key=lambda line: line.received_at_us)
    as_text = _has_text_ids([*decisions, *(line.event for line in events)])
    frames = {
        "shoppers": _with_inputs(_shoppers(decisions), Source.SHOPPERS, models),
        "sessions": _with_inputs(_sessions(decisions), Source.SESSIONS, models),
        "events": _events(events),
        "decisions": _decisions(
            sorted(shown, key=lambda line: line.decided_at_us), feedback, models
        ),
    }
    return {table: _with_ids(frame, as_text) for table, frame in frames.items()}


def _refuse_other_data(workspace: Workspace, name: str, log: str) -> None:
    path = workspace.dataset(name) / "manifest.json"
    if path.is_file() and read_manifest(path).recipe.source.get("log") != log:
        raise UsageError(
            f"dataset {name!r} exists and was not made of log {log!r}",
            hint="choose another name for --publish",
            path=str(path.parent),
        )


def _of(lines: Iterable[LogLine], kind: type[T]) -> list[T]:
    return [line for line in lines if isinstance(line, kind)]


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame; ids of both types in one column become text."""
    for key in ("event_id", "session_id", "shopper_id"):
        kinds = {type(row[key]) for row in rows if key in row}
        if len(kinds) > 1:
            rows = [row | {key: str(row[key])} for row in rows]
    return pl.DataFrame(rows, infer_schema_length=None)


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of which some request brought a value."""
    return frame.select(name for name, kind in frame.schema.items() if kind != pl.Null)


class _FeedbackIndex:
    """Feedback in the order of time, by decision and by session."""

    def __init__(self, feedback: Sequence[FeedbackItem]) -> None:
        self._by_decision: dict[int, list[tuple[int, FeedbackItem]]] = {}
        self._by_session: dict[Id, list[tuple[int, FeedbackItem]]] = {}
        for number, item in enumerate(feedback):
            if item.decision_id is None:
                self._by_session.setdefault(item.session_id, []).append((number, item))
            else:
                self._by_decision.setdefault(item.decision_id, []).append((number, item))

    def about(self, line: DecisionLine) -> tuple[bool | None, bool | None, float | None]:
        """Return clicked, converted and reward of a decision; what nobody told is None.

        A later item replaces what it tells and nothing else: a click and the order that follows it
        come one by one. A reward belongs to the `converted` it came with.
        """
        clicked = converted = reward = None
        items = self._by_decision.get(line.decision_id, [])
        items = items + self._by_session.get(line.session_id, [])
        for _, item in sorted(items, key=itemgetter(0)):
            clicked = clicked if item.clicked is None else item.clicked
            if item.converted is not None:
                converted, reward = item.converted, item.reward
            elif item.reward is not None:
                reward = item.reward
        return clicked, converted, reward


def _decisions(
    lines: Sequence[DecisionLine], feedback: Sequence[FeedbackItem], models: Sequence[ServedModel]
) -> pl.DataFrame:
    told = _FeedbackIndex(feedback)
    schema = event_schema([feature for model in models for feature in model.features])
    rows = []
    for line in {line.decision_id: line for line in lines}.values():
        clicked, converted, reward = told.about(line)
        rows.append(
            {
                "decision_id": line.decision_id,
                "session_id": line.session_id,
                "shopper_id": line.shopper_id,
                "decided_at": line.decided_at_us,
                "placement": line.placement,
                "eligible": line.eligible,
                "action": line.action,
                "propensity": line.propensity,
                "policy": line.policy,
                "clicked": clicked,
                "converted": converted,
                "reward": float(bool(converted)) if reward is None else reward,
            }
            | {name: line.features.get(name) for name in schema}
        )
    return _frame(rows).with_columns(
        pl.col("clicked", "converted").cast(pl.Boolean),
        pl.col("decided_at").cast(_TIME),
        *(pl.col(name).cast(kind) for name, kind in schema.items()),
    )


def _sessions(lines: Sequence[DecisionLine]) -> pl.DataFrame:
    rows: dict[int | str, dict[str, Any]] = {}
    for line in lines:
        row = rows.setdefault(
            line.session_id, {"session_id": line.session_id, "started_at": line.decided_at_us}
        )
        row |= {"shopper_id": line.shopper_id} | line.context
        row["started_at"] = min(row["started_at"], line.decided_at_us)
    return _told(_frame(list(rows.values()))).with_columns(pl.col("started_at").cast(_TIME))


def _shoppers(lines: Sequence[DecisionLine]) -> pl.DataFrame:
    rows: dict[int | str, dict[str, Any]] = {}
    for line in lines:
        row = rows.setdefault(line.shopper_id, {"shopper_id": line.shopper_id})
        row |= line.shopper
    frame = _told(_frame(list(rows.values())))
    times = {name: name.removesuffix(_SUFFIX) for name in frame.columns if name.endswith(_SUFFIX)}
    named = frame.with_columns(pl.col(name).cast(_TIME) for name in times).rename(times)
    known = [name for name in named.columns if name in SHOPPERS.names]
    return named.select(known)


def _with_inputs(
    frame: pl.DataFrame, source: Source, models: Sequence[ServedModel]
) -> pl.DataFrame:
    """Add what the models read and no request brought, as missing: so it was scored."""
    wanted: dict[str, pl.DataType] = {}
    for model in models:
        columns = {feature.column for feature in model.features if feature.source is source}
        wanted |= {name: kind for name, kind in _column_types(source).items() if name in columns}
        if source is Source.SESSIONS:
            imported = model.rules.imported.items()
            kinds = {"number": pl.Float64(), "text": pl.String()}
            wanted |= {name: kinds[kind] for name, kind in imported}
    nothing = [pl.lit(None, kind).alias(name) for name, kind in wanted.items()]
    return frame.with_columns(item for item in nothing if item.meta.output_name() not in frame)


def _column_types(source: Source) -> dict[str, pl.DataType]:
    """Return the types of a table's columns, with text for categories."""
    empty = cast("pl.DataFrame", pl.from_arrow(SCHEMAS[source].empty_table()))
    texts: dict[type[pl.DataType], pl.DataType] = {
        pl.Categorical: pl.String(),
        pl.List: pl.List(pl.String()),
    }
    return {name: texts.get(type(kind), kind) for name, kind in empty.schema.items()}


def _fitted(frames: dict[str, pl.DataFrame]) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """Return frames that columns of categories can hold, and what had to be left out for that."""
    fitted, notes = {}, []
    for table, frame in frames.items():
        crowded = _crowded(frame, SCHEMAS[table])
        fitted[table] = _common(frame, crowded)
        notes += [f"{table}.{name}: only its {MAX_CATEGORIES} commonest values" for name in crowded]
    return fitted, notes


def _crowded(frame: pl.DataFrame, schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns with more different texts than a column of categories can hold."""
    return tuple(
        field.name
        for field in schema
        if field.type == CATEGORY
        and frame.schema.get(field.name) == pl.String
        and frame[field.name].drop_nulls().n_unique() > MAX_CATEGORIES
    )


def _common(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Keep the most frequent texts of columns; a model knows fewer, so it reads no change."""
    for name in names:
        rows = frame[name].drop_nulls().value_counts(name="rows")
        kept = rows.sort(["rows", name], descending=[True, False])[name].head(MAX_CATEGORIES)
        frame = frame.with_columns(pl.when(pl.col(name).is_in(kept.implode())).then(pl.col(name)))
    return frame


def _events(lines: Sequence[EventLine]) -> pl.DataFrame:
    rows = [
        {
            "event_id": line.event.event_id,
            "session_id": line.event.session_id,
            "shopper_id": line.event.shopper_id,
            "occurred_at": line.event.occurred_at_us,
            "received_at": line.received_at_us,
            "type": line.event.type,
            "step": line.event.step,
            "option": line.event.option,
            "amount_minor": line.event.amount_minor,
        }
        # of an event that was sent again, the receipt that counted
        for line in {line.event.event_id: line for line in reversed(lines)}.values()
    ]
    if not rows:
        return pl.DataFrame()
    frame = _frame(rows)
    return frame.with_columns(
        pl.col("occurred_at", "received_at").cast(_TIME),
        pl.col("step", "option").cast(pl.String),
        pl.col("amount_minor").cast(pl.Int64),
    )


def _has_text_ids(rows: Sequence[DecisionLine | EventItem]) -> bool:
    return any(isinstance(key, str) for row in rows for key in (row.session_id, row.shopper_id))


def _with_ids(frame: pl.DataFrame, as_text: bool) -> pl.DataFrame:
    """Make the ids of shoppers and sessions one type in all tables."""
    if not as_text:
        return frame
    names = [name for name in ("session_id", "shopper_id") if name in frame.columns]
    return frame.with_columns(pl.col(names).cast(pl.String))


def _extra(frame: pl.DataFrame, table: str) -> tuple[str, ...]:
    """Return the columns that are context: those that the table's schema does not name."""
    return tuple(name for name in frame.columns if name not in SCHEMAS[table].names)


def _catalogues(
    lines: Sequence[DecisionLine], models: Sequence[ServedModel]
) -> dict[str, tuple[str, ...]]:
    """Return the models' catalogues, with options of earlier versions behind them."""
    found: dict[str, dict[str, None]] = {}
    for model in models:
        for name, served in model.placements.items():
            found.setdefault(name, {}).update(dict.fromkeys(served.inputs.options))
    for line in lines:
        found.setdefault(line.placement, {}).update(dict.fromkeys(sorted(line.eligible)))
    logged = {line.placement for line in lines}
    return {name: tuple(options) for name, options in found.items() if name in logged}


def _content_hash(lines: Sequence[LogLine]) -> str:
    return blake2b(msgspec.json.encode(lines), digest_size=16).hexdigest()
