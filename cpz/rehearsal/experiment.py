"""`cpz ab simulate`: one world under two policies, an experiment between them, and the truth.

Simulator and evaluator meet here: the analysis sees the assigned variants only.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import polars as pl
import tomli_w

from cpz.cli.ab.runs import gates, shares_of
from cpz.cli.shell.arguments import ExperimentArguments
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.run_folder import open_run
from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.results import Comparison, ExperimentResult
from cpz.ingest.experiments.metrics_file import Experiment, columns_of, experiment_of
from cpz.ingest.experiments.units import unit_table
from cpz.rehearsal.arms import Arm, arm_of
from cpz.report.html.render import render
from cpz.report.pages.ab import rehearsal_report
from cpz.report.results.ab import RehearsalResult, TrueEffect
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario import Scenario, load_scenario

ASSIGNMENT = "ab.assignment"
_CART = "first_cart_eur_cents"

METRICS = {
    "conversion": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"},
    "orders": {"kind": "mean", "value": "orders"},
    "revenue": {"kind": "mean", "value": "revenue_eur_cents", "covariate": _CART},
    "margin": {"kind": "mean", "value": "margin_eur_cents", "covariate": _CART},
}
_TOTALS = ("sessions", "orders", "revenue_eur_cents", "margin_eur_cents")


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Every shopper under both policies: totals per shopper, columns prefixed by the variant."""

    both: pl.DataFrame
    sessions: int


def run_experiment(
    arguments: ExperimentArguments, root: Path, out: Path | None
) -> tuple[Outcome, RehearsalResult]:
    """Simulate both variants, assign, analyse, and set the truth beside it."""
    shares = shares_of(arguments.split)
    if len(shares) != 2:
        raise UsageError(
            f"--split {arguments.split!r}: a simulated experiment has two variants",
            hint="for example 50/50",
        )
    workspace = Workspace(root)
    arms = (
        arm_of(arguments.control, arguments.placement, workspace),
        arm_of(arguments.treatment, arguments.placement, workspace),
    )
    rehearsed = rehearse(arms, arguments)
    experiment = experiment_of(
        {
            "unit": "shopper_id",
            "variant": "variant",
            "control": "control",
            "split": dict(zip(("control", "treatment"), shares, strict=True)),
            "metrics": METRICS,
        },
        "the rehearsal's metrics",
    )
    units = observed(rehearsed.both, shares[0] / sum(shares), arguments.seed)
    table = unit_table(units, experiment, Path("units.parquet"))
    analysis = analyze(table, experiment, AnalysisConfig(alpha=arguments.alpha))
    result = RehearsalResult(
        placement=arguments.placement,
        control=arguments.control,
        treatment=arguments.treatment,
        scenario=arguments.scenario,
        sessions=rehearsed.sessions,
        shoppers=len(units),
        analysis=analysis,
        truth=true_effects(rehearsed.both, experiment, analysis),
    )
    settings = {"ab simulate": {**asdict(arguments), "jobs": None}}
    folder = open_run(workspace, "ab", settings, out)
    html = render(rehearsal_report(result, folder.config, command_line(), table.warnings))
    files = (folder.path / "units.parquet", folder.path / "metrics.toml")
    units.write_parquet(files[0])
    files[1].write_text(_toml(experiment), encoding="utf-8")
    outcome = Outcome(
        "ab simulate",
        result,
        seed=arguments.seed,
        gates=gates(analysis, experiment),
        warnings=table.warnings,
        outputs=(*folder.write(result, html), Output("units", str(files[0]))),
        next=(f"cpz ab analyze {files[0]} --metrics {files[1]}",),
    )
    return outcome, result


def _toml(experiment: Experiment) -> str:
    plain = msgspec.to_builtins(experiment)
    metrics = {
        name: {key: value for key, value in metric.items() if value is not None}
        for name, metric in plain.pop("metrics").items()
    }
    top = {key: value for key, value in plain.items() if value is not None}
    return tomli_w.dumps({**top, "metrics": metrics})


def rehearse(arms: tuple[Arm, Arm], arguments: ExperimentArguments) -> Rehearsed:
    """Run the world under both policies on the same seed, so that all noise is shared."""
    n_runs = 2 + all(arm.is_trained for arm in arms)
    with (
        TemporaryDirectory(prefix="cpz-ab-") as folder,
        progress_bar("simulate", n_runs * arguments.sessions) as advance,
    ):
        workspace = Workspace(Path(folder))
        config = SimulationConfig("", arguments.sessions, arguments.seed, arguments.jobs)
        # profiles do not depend on the policy; a trained one reads them, so a plain run goes first
        order = sorted((0, 1), key=lambda index: arms[index].is_trained)
        totals: dict[int, pl.DataFrame] = {}
        shoppers: pl.DataFrame | None = None
        if all(arm.is_trained for arm in arms):
            plain = load_scenario(arguments.scenario, arguments.overrides)
            named = _named(config, "profiles")
            shoppers = simulate(workspace, plain, named, advance).frame("shoppers")
        for index in order:
            arm = arms[index]
            scenario = load_scenario(arguments.scenario, (*arguments.overrides, *arm.overrides))
            policies = arm.policies(shoppers) if shoppers is not None else None
            named = _named(config, f"arm-{index}")
            dataset = simulate(workspace, scenario, named, advance, policies)
            shoppers = dataset.frame("shoppers") if shoppers is None else shoppers
            totals[index] = shopper_totals(dataset, scenario)
    return Rehearsed(side_by_side(totals[0], totals[1]), arguments.sessions)


def _named(config: SimulationConfig, name: str) -> SimulationConfig:
    return SimulationConfig(name, config.n_sessions, config.seed, config.jobs)


def shopper_totals(dataset: Dataset, scenario: Scenario) -> pl.DataFrame:
    """Sum each shopper's sessions, orders, revenue and margin in euro cents.

    The first cart's value was there before any decision of the experiment: it is the covariate.
    """
    rate = {name: market.units_per_eur for name, market in scenario.markets.items()}
    in_eur = pl.col("country").cast(pl.String).replace_strict(rate, return_dtype=pl.Float64)
    money = {
        "revenue_eur_cents": pl.col("revenue_minor"),
        "margin_eur_cents": pl.col("margin_minor"),
        "cart": pl.col("cart_value_minor"),
    }
    sessions = dataset.frame("sessions").with_columns(
        **{name: (amount / in_eur).round().cast(pl.Int64) for name, amount in money.items()}
    )
    return (
        sessions.sort("shopper_id", "started_at", "session_id")
        .group_by("shopper_id", maintain_order=True)
        .agg(
            sessions=pl.len().cast(pl.Int64),
            orders=pl.col("converted").sum().cast(pl.Int64),
            revenue_eur_cents=pl.col("revenue_eur_cents").sum(),
            margin_eur_cents=pl.col("margin_eur_cents").sum(),
            **{_CART: pl.col("cart").first()},
        )
    )


def side_by_side(control: pl.DataFrame, treatment: pl.DataFrame) -> pl.DataFrame:
    """Join both variants' totals by shopper; who never came under one policy did nothing there."""
    joined = control.select(
        "shopper_id", _CART, *(pl.col(name).alias(f"control.{name}") for name in _TOTALS)
    ).join(
        treatment.select(
            "shopper_id",
            pl.col(_CART).alias("other_cart"),
            *(pl.col(name).alias(f"treatment.{name}") for name in _TOTALS),
        ),
        on="shopper_id",
        how="full",
        coalesce=True,
    )
    return (
        joined.with_columns(pl.coalesce(_CART, "other_cart").alias(_CART))
        .drop("other_cart")
        .fill_null(0)
        .sort("shopper_id")
    )


def observed(both: pl.DataFrame, control_share: float, seed: int) -> pl.DataFrame:
    """Assign shoppers by a keyed hash and keep what their variant did: what a shop would log."""
    shopper = both["shopper_id"].to_numpy()
    in_control = pl.Series(keyed.uniform(seed, ASSIGNMENT, shopper) < control_share)
    chosen = {
        name: pl.when(in_control)
        .then(pl.col(f"control.{name}"))
        .otherwise(pl.col(f"treatment.{name}"))
        for name in _TOTALS
    }
    variant = pl.when(in_control).then(pl.lit("control")).otherwise(pl.lit("treatment"))
    return both.select("shopper_id", variant.alias("variant"), _CART, **chosen)


def true_effects(
    both: pl.DataFrame, experiment: Experiment, analysis: ExperimentResult
) -> dict[str, TrueEffect]:
    """Return each metric's exact effect on all shoppers, both variants known for each."""
    found: dict[str, TrueEffect] = {}
    for name, metric in experiment.metrics.items():
        read = columns_of(metric)
        control, treatment = (
            _value(both, variant, read.numerator, read.denominator)
            for variant in ("control", "treatment")
        )
        comparison = analysis.metrics[name]["treatment"]
        found[name] = TrueEffect(
            control=control,
            treatment=treatment,
            absolute=treatment - control,
            relative=treatment / control - 1 if control else math.nan,
            is_covered=_covers(comparison, treatment - control),
        )
    return found


def _value(both: pl.DataFrame, variant: str, numerator: str, denominator: str | None) -> float:
    top = int(both[f"{variant}.{numerator}"].sum())
    bottom = len(both) if denominator is None else int(both[f"{variant}.{denominator}"].sum())
    return top / bottom if bottom else math.nan


def _covers(comparison: Comparison, effect: float) -> bool:
    best = comparison.deciding.absolute if comparison.deciding else comparison.absolute
    return best.ci[0] <= effect <= best.ci[1]
