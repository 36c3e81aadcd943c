"""The rules on rows that `check_dataset` applies. Each looks at loaded data, never at a plan.

A rule takes the readable tables and the dataset and returns findings; it skips what is absent. To
add one, write a function and list it in `RULES`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import polars as pl

from cpz.data.dataset import Dataset
from cpz.data.findings import Finding, Rule, Status
from cpz.data.tables import SCHEMAS

Frames = Mapping[str, pl.DataFrame]
RowRule = Callable[[Frames, Dataset], list[Finding]]

_KEYS = {
    "shoppers": "shopper_id",
    "sessions": "session_id",
    "events": "event_id",
    "decisions": "decision_id",
}
_REFERENCES = (
    ("sessions", "shopper_id", "shoppers"),
    ("decisions", "session_id", "sessions"),
    ("events", "session_id", "sessions"),
)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def keys_are_unique(frames: Frames, dataset: Dataset) -> list[Finding]:
    """Each table's id is unique; repeated events are amber, since an event may arrive twice."""
    findings: list[Finding] = []
    for table, name in _KEYS.items():
        if table in frames and name in frames[table].columns:
            status = Status.AMBER if table == "events" else Status.RED
            ids = frames[table][name]
            rule = Rule(table, name, "unique id", "an id that no earlier row has", status)
            findings += rule.judge(ids.is_not_null() & ~ids.is_first_distinct())
    return findings


def required_are_present(frames: Frames, dataset: Dataset) -> list[Finding]:
    """Nulls stand only where the schema allows them; outside simulated data and ids it is amber."""
    findings: list[Finding] = []
    for table, frame in frames.items():
        for field in SCHEMAS[table]:
            if field.name in frame.columns and not field.nullable:
                strict = dataset.is_simulated or field.name.endswith("_id")
                status = (
                    Status.RED if strict or field.name in ("action", "reward") else Status.AMBER
                )
                rule = Rule(table, field.name, "missing value", "a value in each row", status)
                findings += rule.judge(frame[field.name].is_null())
    return findings


def references_exist(frames: Frames, dataset: Dataset) -> list[Finding]:
    """A row refers to a session or shopper that is there; a stray event is amber."""
    findings: list[Finding] = []
    for table, name, target in _REFERENCES:
        if table in frames and target in frames and name in frames[table].columns:
            status = Status.AMBER if table == "events" else Status.RED
            rule = Rule(table, name, "reference", f"an id that {target} holds", status)
            known = frames[target][name].unique().implode()
            findings += rule.judge(~frames[table][name].is_in(known))
    return findings


def actions_are_options(frames: Frames, dataset: Dataset) -> list[Finding]:
    """Placements are known, actions stand in their catalogue and among the eligible options."""
    if not _has(frames, "decisions", "placement", "action"):
        return []
    frame = frames["decisions"]
    placements = dataset.manifest.recipe.placements
    rule = Rule("decisions", "placement", "catalogue", "a placement of the manifest")
    findings = rule.judge(~frame["placement"].is_in(list(placements)))
    for name, options in placements.items():
        unknown = (frame["placement"] == name) & ~frame["action"].is_in(list(options))
        findings += Rule(
            "decisions", "action", "catalogue", f"an option of {name} in the manifest"
        ).judge(unknown)
    if "eligible" in frame.columns:
        inside = frame.select(pl.col("eligible").list.contains(pl.col("action"))).to_series()
        rule = Rule("decisions", "action", "eligible", "one of the row's eligible options")
        findings += rule.judge(~inside & frame["eligible"].is_not_null())
    return findings


def propensities_are_probabilities(frames: Frames, dataset: Dataset) -> list[Finding]:
    """A propensity is in (0, 1] or null."""
    if not _has(frames, "decisions", "propensity"):
        return []
    values = frames["decisions"]["propensity"]
    # Polars orders NaN above every number, so NaN counts as above 1
    outside = (values <= 0) | (values > 1)
    return Rule("decisions", "propensity", "propensity", "in (0, 1] or null").judge(outside)


def rewards_are_finite(frames: Frames, dataset: Dataset) -> list[Finding]:
    """A reward is a finite number."""
    if not _has(frames, "decisions", "reward"):
        return []
    values = frames["decisions"]["reward"]
    return Rule("decisions", "reward", "reward", "a finite number").judge(~values.is_finite())


def times_are_plausible(frames: Frames, dataset: Dataset) -> list[Finding]:
    """Times lie between 2000 and 2100, and nothing is received before it happens."""
    findings: list[Finding] = []
    for table, frame in frames.items():
        for name in frame.select(pl.selectors.datetime()).columns:
            rule = Rule(table, name, "time", "between 2000 and 2100", Status.AMBER)
            findings += rule.judge((frame[name] < _EARLIEST) | (frame[name] >= _LATEST))
    if _has(frames, "events", "occurred_at", "received_at"):
        events = frames["events"]
        rule = Rule("events", "received_at", "order", "not before occurred_at", Status.AMBER)
        findings += rule.judge(events["received_at"] < events["occurred_at"])
    return findings


def money_adds_up(frames: Frames, dataset: Dataset) -> list[Finding]:
    """No amount but a margin is negative, margin <= revenue, and who did not buy paid nothing."""
    frame = frames.get("sessions", pl.DataFrame())
    findings: list[Finding] = []
    amounts = [name for name in frame.columns if name.endswith("_minor")]
    for name in amounts:
        if name != "margin_minor" and name in SCHEMAS["sessions"].names:
            findings += Rule("sessions", name, "money", "0 or more").judge(frame[name] < 0)
    if _has(frames, "sessions", "margin_minor", "revenue_minor"):
        rule = Rule("sessions", "margin_minor", "money", "at most revenue_minor")
        findings += rule.judge(frame["margin_minor"] > frame["revenue_minor"])
    if _has(frames, "sessions", "converted", "revenue_minor"):
        rule = Rule("sessions", "revenue_minor", "money", "0 where converted is false")
        findings += rule.judge(~frame["converted"] & (frame["revenue_minor"] != 0))
    return findings


def columns_vary(frames: Frames, dataset: Dataset) -> list[Finding]:
    """Outcomes and context columns hold more than one value; a constant teaches nothing."""
    findings: list[Finding] = []
    for table, frame in frames.items():
        for name in ("reward", "converted", *dataset.context(table)):
            if name in frame.columns and len(frame) > 1 and frame[name].n_unique() == 1:
                rule = Rule(table, name, "constant", "more than one value", Status.AMBER)
                findings += rule.judge(pl.repeat(True, len(frame), eager=True))
    return findings


def context_is_finite(frames: Frames, dataset: Dataset) -> list[Finding]:
    """A context column of floats holds finite numbers or nulls."""
    findings: list[Finding] = []
    for table, frame in frames.items():
        for name in dataset.context(table):
            if name in frame.columns and frame[name].dtype.is_float():
                rule = Rule(table, name, "finite", "a finite number or null", Status.AMBER)
                findings += rule.judge(~frame[name].is_finite())
    return findings


def lost_rows_are_few(frames: Frames, dataset: Dataset) -> list[Finding]:
    """An import lost at most 1 % of the log's rows, and these are like the others."""
    losses = dataset.manifest.losses
    if losses is None or not losses.is_notable:
        return []
    status = Status.RED if losses.is_grave else Status.AMBER
    table = str(dataset.manifest.recipe.settings["kind"])
    message = f"{table}: {losses.sentence()}"
    return [Finding(table, "", "lost rows", status, losses.n_lost, None, message)]


def _has(frames: Frames, table: str, *columns: str) -> bool:
    return table in frames and set(columns) <= set(frames[table].columns)


RULES: tuple[RowRule, ...] = (
    keys_are_unique,
    required_are_present,
    references_exist,
    actions_are_options,
    propensities_are_probabilities,
    rewards_are_finite,
    times_are_plausible,
    money_adds_up,
    columns_vary,
    context_is_finite,
    lost_rows_are_few,
)
