"""`cpz scenario list|show|check|diff`: the worlds one can simulate, and their sources."""

from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.next_command import then
from cpz.cli.shell.options import JsonOption, SetOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.cli.shell.signature import spread

if TYPE_CHECKING:
    from rich.table import Table

    from cpz.simulator.scenario.provenance import Change, Constant, Value

app = typer.Typer(
    name="scenario", help="List, show, check and compare scenarios.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="A preset's name or a TOML file.")]


@app.command("list")
@spread
def list_(json: JsonOption = False) -> int:
    """List the shipped scenarios and how many constants each changes.

    Examples:
        cpz scenario list
        cpz scenario list --json
    """
    from cpz.report.results.scenario import ScenarioEntry, ScenarioListResult
    from cpz.report.terminal.tables import grid
    from cpz.simulator.scenario.loading import load_scenario, scenario_names
    from cpz.simulator.scenario.provenance import changes

    baseline = load_scenario("baseline")
    loaded = {name: load_scenario(name) for name in scenario_names()}
    entries = tuple(
        ScenarioEntry(name, s.description, _n_changes(changes(baseline, s)))
        for name, s in loaded.items()
    )
    table = grid("scenarios", "name", "what it is", "changes", first=2)
    for entry in entries:
        table.add_row(entry.name, entry.description, str(entry.n_changes))
    outcome = Outcome(
        "scenario list",
        ScenarioListResult(entries),
        next=(then(None, "scenario", "diff", "baseline", "drift"),),
    )
    return finish(outcome, json, lambda console: console.print(table))


@app.command("show")
@spread
def show(
    scenario: NameArgument = "baseline",
    only: Annotated[str, typer.Option("--only", help="Only constants whose path begins so.")] = "",
    overrides: SetOption = (),
    json: JsonOption = False,
) -> int:
    """Show every constant of a scenario with its value, source and strength.

    Examples:
        cpz scenario show
        cpz scenario show psp-outage --only payment.card
        cpz scenario show --set behaviour.payment.position=1.5 --only behaviour.payment
    """
    from cpz.data.errors import UsageError, nearest
    from cpz.report.results.scenario import ScenarioShowResult
    from cpz.report.terminal.tables import grid
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import constants

    loaded = load_scenario(scenario, overrides)
    every = constants(loaded)
    found = tuple(c for c in every if c.key.startswith(only))
    if not found:
        raise UsageError(
            f"--only {only!r}: no constant begins so", hint=nearest(only, _tops(every))
        )
    table = grid(loaded.name, "constant", "value", "strength", "source", first=4)
    said = ""
    for c in found:
        # one comment often speaks for a run of constants: it is printed once
        source = "as above" if c.source and c.source == said else c.source
        said = c.source
        table.add_row(c.key, _written(c.key, c.value), c.strength or "this scenario", source)
    outcome = Outcome("scenario show", ScenarioShowResult(loaded.name, loaded.description, found))
    return finish(outcome, json, lambda console: console.print(table))


@app.command("check")
@spread
def check(scenario: NameArgument, overrides: SetOption = (), json: JsonOption = False) -> int:
    """Check that a scenario file holds together, and say what it contains.

    Examples:
        cpz scenario check my-market.toml
        cpz scenario check drift --set horizon.days=30
    """
    import msgspec

    from cpz.report.results.scenario import ScenarioCheckResult
    from cpz.report.terminal.tables import grid
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import changes, flat
    from cpz.simulator.scenario.schedule import regimes
    from cpz.simulator.scenario.share_sums import share_sums

    loaded = load_scenario(scenario, overrides)
    rates = msgspec.structs.asdict(loaded.faults)
    result = ScenarioCheckResult(
        name=loaded.name,
        markets=tuple(name for name, market in loaded.markets.items() if market.share > 0),
        placements=loaded.catalogues(),
        n_constants=len(flat(loaded)),
        n_changes=_n_changes(changes(load_scenario("baseline"), loaded)),
        n_regimes=len(regimes(loaded)[0]),
        faults={name: rate for name, rate in rates.items() if rate > 0},
    )
    table = grid(f"{result.name} holds together", "what", "value", first=2)
    table.add_row("markets", ", ".join(result.markets))
    for placement, options in result.placements.items():
        table.add_row(placement, ", ".join(options))
    table.add_row("constants", f"{result.n_constants}, {result.n_changes} unlike the baseline")
    table.add_row("regimes", str(result.n_regimes))
    table.add_row("faults", ", ".join(f"{n} {r:g}" for n, r in result.faults.items()) or "none")
    outcome = Outcome(
        "scenario check",
        result,
        inputs=(scenario,),
        warnings=tuple(
            f"{group} sums to {total:g}, not 1: each share is taken relative to the sum"
            for group, total in share_sums(loaded).items()
        ),
        next=(then(None, "simulate", "--scenario", scenario),),
    )
    return finish(outcome, json, lambda console: console.print(table))


@app.command("diff")
@spread
def diff(
    left: NameArgument,
    right: NameArgument,
    json: JsonOption = False,
) -> int:
    """Show the constants in which two scenarios differ.

    Examples:
        cpz scenario diff baseline black-friday
        cpz scenario diff baseline my-market.toml --json
    """
    from cpz.report.results.scenario import ScenarioDiffResult
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import changes

    found = changes(load_scenario(left), load_scenario(right))
    outcome = Outcome("scenario diff", ScenarioDiffResult(left, right, found), inputs=(left, right))
    table = _difference(left, right, found)
    return finish(outcome, json, lambda console: console.print(table))


def _difference(left: str, right: str, found: "tuple[Change, ...]") -> "Table":
    from cpz.report.terminal.tables import grid

    table = grid(f"constants that differ: {_n_changes(found)}", "constant", left, right, first=3)
    for change in found:
        cells = (_written(change.key, value) for value in (change.left, change.right))
        table.add_row(change.key, *cells)
    return table


def _n_changes(found: "tuple[Change, ...]") -> int:
    """Count what differs, each schedule by itself; name and description do in any two scenarios."""
    counted = 0
    for change in found:
        if change.key == "schedules":
            left, right = (v if isinstance(v, list) else [] for v in (change.left, change.right))
            counted += sum(s not in left for s in right) + sum(s not in right for s in left)
        else:
            counted += change.key not in ("name", "description")
    return counted


def _written(key: str, value: "Value | None") -> str:
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


#: The fields of a schedule that open its line, in words.
_HEAD = ("key", "kind", "to")


def _tops(every: "tuple[Constant, ...]") -> list[str]:
    return sorted({constant.key.split(".")[0] for constant in every})
