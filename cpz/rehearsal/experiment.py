"""A rehearsed experiment: one world under two policies, an assignment between them, and the truth.

Simulator and evaluator meet here: the analysis sees the assigned variants only.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.results import Comparison, ExperimentResult
from cpz.ingest.experiments.kinds.metric import Metric
from cpz.ingest.experiments.metrics_file import Experiment, experiment_of
from cpz.ingest.experiments.units import UnitTable, unit_table
from cpz.rehearsal.arms import Arm
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import Scenario, load_scenario

ASSIGNMENT = "ab.assignment"
_CART = "first_cart_eur_cents"

METRICS = {
    "conversion": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"},
    "orders": {"kind": "mean", "value": "orders"},
    "revenue": {"kind": "mean", "value": "revenue_eur_cents", "covariate": _CART},
    "margin": {"kind": "mean", "value": "margin_eur_cents", "covariate": _CART},
}
_TOTALS = ("sessions", "orders", "revenue_eur_cents", "margin_eur_cents")

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ExperimentWorld:
    """The world in which both variants run: a scenario, its overrides, sessions and seed."""

    scenario: str
    overrides: tuple[str, ...]
    sessions: int
    seed: int
    jobs: int


@dataclass(frozen=True, slots=True)
class TrueEffect:
    """The exact effect on the very shoppers of a simulated experiment.

    Both variants were run on all of them with the same noise, so the effect is a difference of two
    known numbers.

    Attributes:
        control: the metric had every shopper been in the control.
        treatment: the metric had every shopper been in the treatment.
        absolute: treatment - control.
        relative: treatment / control - 1; null where the control's is 0.
        is_covered: whether the interval (adjusted where there is a covariate) holds `absolute`.
    """

    control: float
    treatment: float
    absolute: float
    relative: float
    is_covered: bool


@dataclass(frozen=True, slots=True)
class RehearsedExperiment:
    """An experiment between two policies, its analysis, and the truth beside it.

    Attributes:
        experiment: what was measured, as a metrics file says it.
        units: one row per shopper: what a shop would have logged.
        table: the units as read.
        analysis: of the assigned variants only.
        truth: the exact effects, by metric.
    """

    experiment: Experiment
    units: pl.DataFrame
    table: UnitTable
    analysis: ExperimentResult
    truth: Mapping[str, TrueEffect]


def rehearse_experiment(
    arms: tuple[Arm, Arm],
    world: ExperimentWorld,
    shares: tuple[float, float],
    config: AnalysisConfig,
    progress: Advance,
) -> RehearsedExperiment:
    """Simulate both variants, assign, analyse, and set the truth beside it.

    Args:
        arms: control and treatment.
        world: where they run.
        shares: planned shares of control and treatment; any scale.
        config: of the analysis.
        progress: called with the sessions finished since its last call.
    """
    both = rehearse(arms, world, progress)
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
    units = observed(both, shares[0] / sum(shares), world.seed)
    table = unit_table(units, experiment, Path("units.parquet"))
    analysis = analyze(table, experiment, config)
    truth = true_effects(both, experiment, analysis)
    return RehearsedExperiment(experiment, units, table, analysis, truth)


def sessions_to_simulate(arms: tuple[Arm, Arm], world: ExperimentWorld) -> int:
    """Return how many sessions `rehearse_experiment` simulates over all its runs."""
    return (2 + all(arm.is_trained for arm in arms)) * world.sessions


def rehearse(arms: tuple[Arm, Arm], world: ExperimentWorld, progress: Advance) -> pl.DataFrame:
    """Run the world under both policies on the same seed, so that all noise is shared.

    Returns:
        Every shopper under both policies: totals per shopper, columns prefixed by the variant.
    """
    with TemporaryDirectory(prefix="cpz-ab-") as folder:
        workspace = Workspace(Path(folder))
        # profiles do not depend on the policy; a trained one reads them, so a plain run goes first
        order = sorted((0, 1), key=lambda index: arms[index].is_trained)
        totals: dict[int, pl.DataFrame] = {}
        shoppers: pl.DataFrame | None = None
        if all(arm.is_trained for arm in arms):
            plain = load_scenario(world.scenario, world.overrides)
            config = _config(world, "profiles")
            shoppers = simulate(workspace, plain, config, progress).frame("shoppers")
        for index in order:
            arm = arms[index]
            scenario = load_scenario(world.scenario, (*world.overrides, *arm.overrides))
            policies = arm.policies(shoppers) if shoppers is not None else None
            config = _config(world, f"arm-{index}")
            dataset = simulate(workspace, scenario, config, progress, policies)
            shoppers = dataset.frame("shoppers") if shoppers is None else shoppers
            totals[index] = shopper_totals(dataset, scenario)
    return side_by_side(totals[0], totals[1])


def _config(world: ExperimentWorld, name: str) -> SimulationConfig:
    return SimulationConfig(name, world.sessions, world.seed, world.jobs)


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
        control, treatment = (_value(both, variant, metric) for variant in ("control", "treatment"))
        comparison = analysis.metrics[name]["treatment"]
        found[name] = TrueEffect(
            control=control,
            treatment=treatment,
            absolute=treatment - control,
            relative=treatment / control - 1 if control else math.nan,
            is_covered=_covers(comparison, treatment - control),
        )
    return found


def _value(both: pl.DataFrame, variant: str, metric: Metric) -> float:
    """Return a metric of all shoppers under one variant's policy."""

    def total(column: str | None) -> float:
        if column is None:
            return len(both)
        made = metric.made.get(column)
        values = both[f"{variant}.{made.source if made else column}"].to_numpy()
        if made:
            values = made.make(values)
        # whole numbers add up as such, others without a rounding between
        return int(values.sum()) if np.issubdtype(values.dtype, np.integer) else math.fsum(values)

    bottom = total(metric.columns.denominator)
    return total(metric.columns.numerator) / bottom if bottom else math.nan


def _covers(comparison: Comparison, effect: float) -> bool:
    best = comparison.deciding.absolute if comparison.deciding else comparison.absolute
    return best.ci[0] <= effect <= best.ci[1]
