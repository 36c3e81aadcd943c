"""From a dataset's tables to a `DecisionBatch`: join, derive features, code the options.

Only columns that exist are used, so an imported log without events gets no behavioural features
and one without timestamps no temporal ones. Outcome columns never become context, and sensitive
columns only when a caller passes a feature that is declared sensitive. Row numbers count
from 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.dataset import Dataset
from cpz.data.errors import DataError, MissingColumnError
from cpz.data.policy import Visits
from cpz.data.tables import OUTCOMES, SENSITIVE
from cpz.features.batch import event_features
from cpz.features.decision_batch import DecisionBatch
from cpz.features.declarations import FEATURES, Aggregation, Feature, Source
from cpz.features.history import History, load_history, microseconds

#: The one option of a session table, which logs no choice.
SESSION_OPTION = "session"

_IDS = ("decision_id", "session_id", "shopper_id", "decided_at", "session_at")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Decisions or sessions to describe, joined with sessions and shoppers as far as these exist.

    Attributes:
        frame: one row per decision; session and shopper columns carry the prefixes below.
        context: names of imported context columns, as they stand in `frame`.
    """

    frame: pl.DataFrame
    context: tuple[str, ...]


_SESSION, _SHOPPER = "sessions.", "shoppers."


def decision_batch(
    dataset: Dataset,
    placement: str,
    features: Sequence[Feature] = FEATURES,
    history: History | None = None,
) -> DecisionBatch:
    """Assemble the decisions of one placement.

    Args:
        dataset: simulated or imported.
        placement: a placement of its catalogue.
        features: what to derive; features whose source is absent are left out.
        history: the dataset's sorted events, when the caller has them already.

    Raises:
        NotFoundError: the placement is not in the dataset.
        DataError: no rows, an option outside the catalogue, no eligible option, or a broken reward.
    """
    options = dataset.options(placement)
    rows = _decision_rows(dataset, placement)
    frame = rows.frame
    reward = _reward(frame, "reward")
    n = len(frame)
    visits = Visits(
        placement=placement,
        options=options,
        eligible=_eligible(frame, options),
        context=_context(dataset, rows, features, history),
    )
    return DecisionBatch(
        placement=placement,
        ids=_ids(frame),
        visits=visits,
        action=_codes(frame["action"], options, "action"),
        propensity=_propensity(frame),
        reward=reward,
        position=_position(frame),
        unit=_unit(frame, n),
    )


def session_batch(
    dataset: Dataset, features: Sequence[Feature] = FEATURES, history: History | None = None
) -> DecisionBatch:
    """Assemble a session table without decisions: placement "", one option, reward = converted.

    Raises:
        DataError: the dataset has no sessions, or a session without an outcome.
        MissingColumnError: the sessions carry no `converted`.
    """
    rows = _session_rows(dataset)
    frame = rows.frame
    reward = _reward(frame, f"{_SESSION}converted")
    n = len(frame)
    visits = Visits(
        placement="",
        options=(SESSION_OPTION,),
        eligible=np.ones((n, 1), dtype=np.bool_),
        context=_context(dataset, rows, features, history),
    )
    return DecisionBatch("", _ids(frame), visits, None, None, reward, None, _unit(frame, n))


def decided_placements(dataset: Dataset) -> tuple[str, ...]:
    """Return the placements that have decisions, in catalogue order."""
    if not dataset.has("decisions"):
        return ()
    seen = set(dataset.frame("decisions", ["placement"])["placement"].unique().to_list())
    return tuple(name for name in dataset.manifest.recipe.placements if name in seen)


def _decision_rows(dataset: Dataset, placement: str) -> _Rows:
    decisions = dataset.frame("decisions")
    if {"session_id", "decided_at"} <= set(decisions.columns):
        # over all placements, so that a time split can keep a session's decisions together
        first = pl.col("decided_at").min().over("session_id")
        decisions = decisions.with_columns(session_at=first)
    decisions = decisions.filter(pl.col("placement").cast(pl.String) == placement)
    if decisions.is_empty():
        raise DataError(
            f"dataset {dataset.name!r} has no {placement} decisions",
            hint="choose another placement, or simulate or import some",
        )
    context = tuple(name for name in dataset.context("decisions") if name in decisions.columns)
    return _join_profiles(dataset, _Rows(_join_sessions(dataset, decisions), context))


def _session_rows(dataset: Dataset) -> _Rows:
    sessions = dataset.frame("sessions")
    ids = [name for name in ("session_id", "shopper_id") if name in sessions.columns]
    frame = sessions.select(*ids, pl.exclude(ids).name.prefix(_SESSION))
    if "started_at" in sessions.columns:
        frame = frame.with_columns(
            decided_at=sessions["started_at"], session_at=sessions["started_at"]
        )
    return _join_profiles(dataset, _Rows(frame, ()))


def _join_sessions(dataset: Dataset, decisions: pl.DataFrame) -> pl.DataFrame:
    if not dataset.has("sessions") or "session_id" not in decisions.columns:
        return decisions
    sessions = dataset.frame("sessions")
    return _left_join(decisions, sessions.drop("shopper_id", strict=False), "session_id", _SESSION)


def _join_profiles(dataset: Dataset, rows: _Rows) -> _Rows:
    session_context = tuple(f"{_SESSION}{name}" for name in dataset.context("sessions"))
    context = rows.context + tuple(c for c in session_context if c in rows.frame.columns)
    if not dataset.has("shoppers") or "shopper_id" not in rows.frame.columns:
        return _Rows(rows.frame, context)
    shoppers = dataset.frame("shoppers")
    return _Rows(_left_join(rows.frame, shoppers, "shopper_id", _SHOPPER), context)


def _left_join(left: pl.DataFrame, right: pl.DataFrame, key: str, prefix: str) -> pl.DataFrame:
    if right[key].is_duplicated().any():
        row = 1 + int(right[key].is_duplicated().arg_true()[0])
        raise DataError(
            f"{key}: row {row} of {prefix.rstrip('.')} repeats an id; expected each id once",
            hint="run `cpz data check` on the dataset",
        )
    named = right.select(key, pl.exclude(key).name.prefix(prefix))
    return left.join(named, on=key, how="left", maintain_order="left")


def _context(
    dataset: Dataset, rows: _Rows, features: Sequence[Feature], history: History | None
) -> pl.DataFrame:
    frame = rows.frame
    columns: dict[str, pl.Series] = {}
    for name in rows.context:
        short = name.removeprefix(_SESSION)
        if short not in OUTCOMES and short not in SENSITIVE and _is_input(frame.schema[name]):
            columns[short] = frame[name].alias(short)
    for feature in features:
        value = None if feature.source is Source.EVENTS else _derive(frame, feature)
        if value is not None:
            columns[feature.name] = value.alias(feature.name)
    if {"decided_at", "shopper_id"} <= set(frame.columns):
        known = history or load_history(dataset)
        if known is not None:
            asked = _answerable(known, features)
            t = microseconds(frame["decided_at"])
            columns |= event_features(known, asked, frame["shopper_id"], t).to_dict()
    return pl.DataFrame(columns) if columns else pl.DataFrame({"no_context": np.zeros(len(frame))})


def _is_input(kind: pl.DataType) -> bool:
    is_text = kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)
    return kind.is_numeric() or kind == pl.Boolean or is_text


def _answerable(history: History, features: Iterable[Feature]) -> list[Feature]:
    return [
        feature
        for feature in features
        if feature.source is Source.EVENTS
        and set(feature.event_columns) <= set(history.payload.columns)
    ]


def _derive(frame: pl.DataFrame, feature: Feature) -> pl.Series | None:
    """Return a feature of sessions, shoppers or time, or None where its columns are absent."""
    prefix = {Source.SESSIONS: _SESSION, Source.SHOPPERS: _SHOPPER}.get(feature.source, "")
    column = prefix + feature.column
    needs = {
        Aggregation.VALUE: (column,),
        Aggregation.TENURE: (column, "decided_at"),
    }.get(feature.aggregation, ("decided_at",))
    if not set(needs) <= set(frame.columns):
        return None
    match feature.aggregation:
        case Aggregation.VALUE:
            value = frame[column]
        case Aggregation.TENURE:
            value = (frame["decided_at"] - frame[column]).dt.total_days()
        case Aggregation.HOUR:
            value = frame["decided_at"].dt.hour()
        case Aggregation.WEEKDAY:
            value = frame["decided_at"].dt.weekday()
        case _:
            raise ValueError(f"feature {feature.name}: {feature.aggregation} needs events")
    return value if feature.default is None else value.fill_null(feature.default)


def _ids(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(name for name in _IDS if name in frame.columns)


def _reward(frame: pl.DataFrame, column: str) -> Floats:
    name = column.removeprefix(_SESSION)
    if column not in frame.columns:
        raise MissingColumnError(
            f"sessions: no column {name!r}, and no decisions to take a reward from",
            hint='map the outcome when importing, e.g. converted = "Revenue"',
        )
    reward = frame[column].cast(pl.Float64)
    broken = (~reward.is_finite()).fill_null(value=True)
    if broken.any():
        raise DataError(
            f"{name}: {broken.sum()} of {len(frame)} rows are empty or not finite "
            f"(first: row {1 + int(broken.arg_true()[0])}); expected a number",
            hint="drop these rows or supply their outcome",
        )
    return reward.to_numpy()


def _codes(names: pl.Series, options: tuple[str, ...], what: str) -> Ints:
    """Return the place of each name in the catalogue."""
    coded = names.cast(pl.String).replace_strict(
        options, list(range(len(options))), default=None, return_dtype=pl.Int64
    )
    if coded.null_count():
        first = int(coded.is_null().arg_true()[0])
        raise DataError(
            f"{what}: {coded.null_count()} of {len(names)} rows are not in the catalogue "
            f"(first: row {1 + first}, {names[first]!r}); expected one of {', '.join(options)}",
            hint="list every option of the placement when importing",
        )
    return coded.to_numpy()


def _eligible(frame: pl.DataFrame, options: tuple[str, ...]) -> Mask:
    """Return the eligibility mask (n, K); null means every option."""
    n = len(frame)
    if "eligible" not in frame.columns:
        return np.ones((n, len(options)), dtype=np.bool_)
    lists = frame["eligible"]
    mask = np.zeros((n, len(options)), dtype=np.bool_)
    mask[lists.is_null().to_numpy()] = True
    sizes = lists.list.len().fill_null(0).to_numpy()
    named = lists.filter(lists.list.len().fill_null(0) > 0).explode()
    if len(named):
        row = np.repeat(np.arange(n), sizes)
        mask[row, _codes(named, options, "eligible")] = True
    empty = np.flatnonzero(~mask.any(axis=1))
    if len(empty):
        raise DataError(
            f"eligible: {len(empty)} of {n} rows name no option (first: row {1 + empty[0]})",
            hint="drop these rows, or leave `eligible` null where every option was possible",
        )
    return mask


def _propensity(frame: pl.DataFrame) -> Floats | None:
    if "propensity" not in frame.columns or frame["propensity"].null_count() == len(frame):
        return None
    return frame["propensity"].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _position(frame: pl.DataFrame) -> Ints | None:
    if "position" not in frame.columns or frame["position"].null_count() == len(frame):
        return None
    position = frame["position"]
    if not position.dtype.is_integer():
        position = position.cast(pl.String).rank("dense").cast(pl.Int64) - 1
    return position.cast(pl.Int64).fill_null(-1).to_numpy()


def _unit(frame: pl.DataFrame, n: int) -> Ints:
    for name in ("shopper_id", "session_id"):
        if name in frame.columns:
            ids = frame[name]
            coded = ids if ids.dtype.is_integer() else ids.cast(pl.String).rank("dense")
            return coded.cast(pl.Int64).to_numpy()
    return np.arange(n, dtype=np.int64)
