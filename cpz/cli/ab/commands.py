"""`cpz ab`: plan an experiment, rehearse it on simulated shoppers, analyse it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.arguments import AnalyzeArguments, ExperimentArguments, PlanArguments
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    JobsOption,
    JsonOption,
    SeedOption,
    SetOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import finish
from cpz.cli.simulate.commands import default_jobs

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(name="ab", help="Plan, rehearse and analyse experiments.", no_args_is_help=True)

Metrics = Annotated[
    Path | None, typer.Option("--metrics", help="TOML file that says which columns hold what.")
]
Alpha = Annotated[
    float, typer.Option("--alpha", min=0.0001, max=0.5, help="Family-wise error rate, two-sided.")
]
Split = Annotated[
    str, typer.Option("--split", help="Planned shares, the control first, such as 50/50.")
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for report and result; default: none.")
]
TestName = Annotated[
    str, typer.Option("--test", help="welch (Student's t, Welch's degrees of freedom) or z.")
]
Sequential = Annotated[
    bool, typer.Option("--sequential", help="Valid at every look: confidence sequences over time.")
]
TunedAt = Annotated[
    int,
    typer.Option("--tuned-at", min=100, help="Units at which the sequence is tightest."),
]


@app.command("analyze")
def analyze(
    file: Annotated[Path, typer.Argument(help="Unit-level CSV, Parquet or JSON lines.")],
    metrics: Annotated[
        Path, typer.Option("--metrics", help="TOML file that says which columns hold what.")
    ],
    split: Split = "",
    test: TestName = "welch",
    alpha: Alpha = 0.05,
    sequential: Sequential = False,
    tuned_at: TunedAt = 10_000,
    out: Out = None,
    json: JsonOption = False,
) -> int:
    """Analyse an experiment: sample ratio first, then every metric and variant with a verdict.

    Examples:
        cpz ab analyze users.parquet --metrics metrics.toml
        cpz ab analyze users.csv --metrics metrics.toml --split 90/10 --json
        cpz ab analyze users.csv --metrics metrics.toml --sequential --out report
    """
    from cpz.cli.ab.runs import run_analyze

    arguments = AnalyzeArguments(split, test, alpha, sequential, tuned_at)
    outcome, result = run_analyze(file, metrics, arguments, out)

    def render(console: "Console") -> None:
        from cpz.report.terminal.ab import analysis_tables  # late: --json needs no tables

        console.print(*analysis_tables(result))

    return finish(outcome, json, render)


@app.command("plan")
def plan(
    file: Annotated[
        Path | None, typer.Argument(help="A past unit-level file to take the baselines from.")
    ] = None,
    metrics: Metrics = None,
    kind: Annotated[
        str, typer.Option("--kind", help="mean, proportion or ratio, without a file.")
    ] = "proportion",
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="The metric today, without a file.")
    ] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation per unit of a mean or ratio.")
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option("--effect", help="Relative effect to find; 0.02 is two percent more."),
    ] = None,
    split: Split = "50/50",
    alpha: Alpha = 0.05,
    power: Annotated[
        float, typer.Option("--power", min=0.5, max=0.999, help="Wanted chance to find it.")
    ] = 0.8,
    units_per_day: Annotated[
        float | None, typer.Option("--units-per-day", min=0.001, help="Over all variants.")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=10_000, help="Your window.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Say how many units and days an effect needs, and what a window can and cannot show.

    Examples:
        cpz ab plan --baseline 0.032 --effect 0.05 --units-per-day 20000 --days 14
        cpz ab plan --kind mean --baseline 52 --sd 110 --effect 0.02 --split 80/10/10
        cpz ab plan past.parquet --metrics metrics.toml --effect 0.02 --days 14
    """
    from cpz.cli.ab.runs import run_plan

    arguments = PlanArguments(kind, baseline, sd, effect, split, alpha, power, units_per_day, days)
    outcome, result = run_plan(file, metrics, arguments)

    def render(console: "Console") -> None:
        from cpz.report.terminal.ab import plan_tables  # late: --json needs no tables

        console.print(*plan_tables(result))

    return finish(outcome, json, render)


@app.command("simulate")
def simulate(
    control: Annotated[
        str,
        typer.Option(
            "--control",
            help="uniform, popularity, epsilon, epsilon:0.1, logging, or MODEL[@VERSION]:POLICY.",
        ),
    ] = "popularity",
    treatment: Annotated[
        str, typer.Option("--treatment", help="The same, for the other variant.")
    ] = "default:greedy",
    placement: Annotated[
        str, typer.Option("--placement", help="What the policies decide: payment, shipping, offer.")
    ] = "payment",
    split: Split = "50/50",
    scenario: Annotated[
        str, typer.Option("--scenario", help="A preset's name or a TOML file.")
    ] = "baseline",
    set_: SetOption = None,
    sessions: Annotated[
        int, typer.Option("--sessions", min=1, max=10**9, help="Checkout sessions to simulate.")
    ] = 100_000,
    seed: SeedOption = 0,
    jobs: JobsOption = default_jobs(),
    alpha: Alpha = 0.05,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report and result; default runs/ID.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Rehearse an experiment between two policies, with the exact effect beside each estimate.

    Examples:
        cpz ab simulate --control uniform --treatment popularity --sessions 50000
        cpz ab simulate --control popularity --treatment default@champion:greedy
        cpz ab simulate --control logging --treatment epsilon:0.1 --placement shipping --split 80/20
    """
    from cpz.cli.ab.rehearse import run_experiment

    arguments = ExperimentArguments(
        control=control,
        treatment=treatment,
        placement=placement,
        split=split,
        scenario=scenario,
        overrides=tuple(set_ or ()),
        sessions=sessions,
        seed=seed,
        jobs=jobs,
        alpha=alpha,
    )
    outcome, result = run_experiment(arguments, workspace, out)

    def render(console: "Console") -> None:
        from cpz.report.terminal.ab import rehearsal_tables  # late: --json needs no tables

        console.print(*rehearsal_tables(result))

    return finish(outcome, json, render)
