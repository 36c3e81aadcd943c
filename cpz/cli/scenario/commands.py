"""`cpz scenario list|show|check|diff`: the worlds one can simulate, and their sources."""

from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.next_command import then
from cpz.cli.shell.options import JsonOption, SetOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.cli.shell.signature import spread

if TYPE_CHECKING:
    from cpz.simulator.scenario.provenance import Constant

app = typer.Typer(
    name="scenario", help="List, show, check and compare scenarios.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="A preset's name or a TOML file.")]


@app.command("list")
@spread
def list_(json: JsonOption = False) -> int:
    """List the shipped scenarios and the number of constants each changes.

    Examples:
        cpz scenario list
        cpz scenario list --json
    """
    from cpz.report.content.scenario import list_blocks
    from cpz.report.results.scenario import ScenarioEntry, ScenarioListResult
    from cpz.simulator.scenario.loading import load_scenario, scenario_names
    from cpz.simulator.scenario.provenance import changes, count_changes

    baseline = load_scenario("baseline")
    loaded = {name: load_scenario(name) for name in scenario_names()}
    entries = tuple(
        ScenarioEntry(name, s.description, count_changes(changes(baseline, s)))
        for name, s in loaded.items()
    )
    result = ScenarioListResult(entries)
    following = (then(None, "scenario", "diff", "baseline", "drift"),)
    return finish(Outcome("scenario list", result, next=following), json, list_blocks(result))


@app.command("show")
@spread
def show(
    scenario: NameArgument = "baseline",
    only: Annotated[
        str, typer.Option("--only", help="Only constants whose path starts with this.")
    ] = "",
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
    from cpz.report.content.scenario import show_blocks
    from cpz.report.results.scenario import ScenarioShowResult
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import constants

    loaded = load_scenario(scenario, overrides)
    every = constants(loaded)
    found = tuple(c for c in every if c.key.startswith(only))
    if not found:
        raise UsageError(
            f"--only {only!r}: no constant begins so", hint=nearest(only, _tops(every))
        )
    result = ScenarioShowResult(loaded.name, loaded.description, found)
    return finish(Outcome("scenario show", result), json, show_blocks(result))


@app.command("check")
@spread
def check(scenario: NameArgument, overrides: SetOption = (), json: JsonOption = False) -> int:
    """Check that a scenario file is valid, and summarise what it contains.

    Examples:
        cpz scenario check my-market.toml
        cpz scenario check drift --set horizon.days=30
    """
    import msgspec

    from cpz.report.content.scenario import check_blocks
    from cpz.report.results.scenario import ScenarioCheckResult
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import changes, count_changes, flat
    from cpz.simulator.scenario.schedule import regimes
    from cpz.simulator.scenario.share_sums import share_sums

    loaded = load_scenario(scenario, overrides)
    rates = msgspec.structs.asdict(loaded.faults)
    result = ScenarioCheckResult(
        name=loaded.name,
        markets=tuple(name for name, market in loaded.markets.items() if market.share > 0),
        placements=loaded.catalogues(),
        n_constants=len(flat(loaded)),
        n_changes=count_changes(changes(load_scenario("baseline"), loaded)),
        n_regimes=len(regimes(loaded)[0]),
        faults={name: rate for name, rate in rates.items() if rate > 0},
    )
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
    return finish(outcome, json, check_blocks(result))


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
    from cpz.report.content.scenario import difference_blocks
    from cpz.report.results.scenario import ScenarioDiffResult
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.scenario.provenance import changes

    result = ScenarioDiffResult(left, right, changes(load_scenario(left), load_scenario(right)))
    outcome = Outcome("scenario diff", result, inputs=(left, right))
    return finish(outcome, json, difference_blocks(result))


def _tops(every: "tuple[Constant, ...]") -> list[str]:
    return sorted({constant.key.split(".")[0] for constant in every})
