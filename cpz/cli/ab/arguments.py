"""What the `cpz ab` commands may be asked: their options, written once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cpz.cli.shell.options import DEFAULT_JOBS, JobsOption, ScenarioOption, SeedOption, SetOption
from cpz.evaluation.ab.request import AnalysisRequest, PlanRequest
from cpz.ingest.experiments.kinds.registry import names_by_hand

Alpha = Annotated[
    float, typer.Option("--alpha", min=0.0001, max=0.5, help="Family-wise error rate, two-sided.")
]
Split = Annotated[
    str, typer.Option("--split", help="Planned shares, the control first, such as 50/50.")
]


Sequential = Annotated[
    bool, typer.Option("--sequential", help="Valid at every look: confidence sequences over time.")
]
TunedAt = Annotated[
    int, typer.Option("--tuned-at", min=100, help="Units at which the sequence is tightest.")
]


@dataclass(frozen=True, slots=True)
class AnalyzeArguments(AnalysisRequest):
    """What `cpz ab analyze` was asked."""

    split: Split = ""
    test: Annotated[
        str, typer.Option("--test", help="welch (Student's t, Welch's degrees of freedom) or z.")
    ] = "welch"
    alpha: Alpha = 0.05
    sequential: Sequential = False
    tuned_at: TunedAt = 10_000


@dataclass(frozen=True, slots=True)
class PlanArguments(PlanRequest):
    """What `cpz ab plan` was asked."""

    kind: Annotated[str, typer.Option("--kind", help=f"{names_by_hand()}, without a file.")] = (
        "proportion"
    )
    baseline: Annotated[
        float | None, typer.Option("--baseline", help="The metric today, without a file.")
    ] = None
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation per unit of a mean or ratio.")
    ] = None
    effect: Annotated[
        float | None,
        typer.Option("--effect", help="Relative effect to find; 0.02 is two percent more."),
    ] = None
    split: Split = "50/50"
    alpha: Alpha = 0.05
    power: Annotated[
        float, typer.Option("--power", min=0.5, max=0.999, help="Wanted chance to find it.")
    ] = 0.8
    units_per_day: Annotated[
        float | None, typer.Option("--units-per-day", min=0.001, help="Over all variants.")
    ] = None
    days: Annotated[int | None, typer.Option("--days", min=1, max=10_000, help="Your window.")] = (
        None
    )
    sequential: Sequential = False
    tuned_at: TunedAt = 10_000


@dataclass(frozen=True, slots=True)
class ExperimentArguments:
    """What `cpz ab simulate` was asked."""

    control: Annotated[
        str,
        typer.Option(
            "--control",
            help="uniform, popularity, epsilon, epsilon:0.1, logging, or MODEL[@VERSION]:POLICY.",
        ),
    ] = "popularity"
    treatment: Annotated[
        str, typer.Option("--treatment", help="The same, for the other variant.")
    ] = "default:greedy"
    placement: Annotated[
        str, typer.Option("--placement", help="What the policies decide: payment, shipping, offer.")
    ] = "payment"
    split: Split = "50/50"
    scenario: ScenarioOption = "baseline"
    overrides: SetOption = ()
    sessions: Annotated[
        int, typer.Option("--sessions", min=1, max=10**9, help="Checkout sessions to simulate.")
    ] = 100_000
    seed: SeedOption = 0
    jobs: JobsOption = DEFAULT_JOBS
    alpha: Alpha = 0.05
