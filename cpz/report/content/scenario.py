"""What scenarios say: which there are, every constant, and in what two differ."""

from cpz.report.results.scenario import (
    ScenarioCheckResult,
    ScenarioDiffResult,
    ScenarioListResult,
    ScenarioShowResult,
)
from cpz.report.values import Block, table
from cpz.simulator.scenario.provenance import Value, count_changes

#: The fields of a schedule that open its line, in words.
_HEAD = ("key", "kind", "to")


def list_blocks(result: ScenarioListResult) -> tuple[Block, ...]:
    """Say which scenarios there are."""
    rows = ((one.name, one.description, str(one.n_changes)) for one in result.scenarios)
    return (table("scenarios", ("name", "what it is", "changes"), rows, n_labels=2),)


def show_blocks(result: ScenarioShowResult) -> tuple[Block, ...]:
    """Say every constant; a source that speaks for a run of them is printed once."""
    rows = []
    said = ""
    for one in result.constants:
        source = "as above" if one.source and one.source == said else one.source
        said = one.source
        strength = one.strength or "this scenario"
        rows.append((one.key, _written(one.key, one.value), strength, source))
    columns = ("constant", "value", "strength", "source")
    return (table(result.name, columns, rows, n_labels=4),)


def check_blocks(result: ScenarioCheckResult) -> tuple[Block, ...]:
    """Say what a scenario contains."""
    contents = {
        "markets": ", ".join(result.markets),
        **{name: ", ".join(options) for name, options in result.placements.items()},
        "constants": f"{result.n_constants}, {result.n_changes} unlike the baseline",
        "regimes": str(result.n_regimes),
        "faults": ", ".join(f"{n} {r:g}" for n, r in result.faults.items()) or "none",
    }
    caption = f"{result.name} holds together"
    return (table(caption, ("what", "value"), contents.items(), n_labels=2),)


def difference_blocks(result: ScenarioDiffResult) -> tuple[Block, ...]:
    """Say which constants differ."""
    rows = (
        (one.key, _written(one.key, one.left), _written(one.key, one.right))
        for one in result.changes
    )
    caption = f"constants that differ: {count_changes(result.changes)}"
    return (table(caption, ("constant", result.left, result.right), rows, n_labels=3),)


def _written(key: str, value: Value | None) -> str:
    """Write a constant; each schedule on a line of its own, without what it leaves at 0."""
    if value is None:
        return "-"
    if key != "schedules" or not isinstance(value, list):
        return str(value)
    return (
        "\n".join(
            f"{s['key']} {s['kind']} to {s['to']:g}"
            + "".join(f", {name} {s[name]:g}" for name in s if name not in _HEAD and s[name])
            for s in value
        )
        or "none"
    )
