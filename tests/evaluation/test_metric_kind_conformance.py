"""Every kind of metric keeps to this; a new one is tested the moment it is listed in `KINDS`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from cpz.data.errors import ConfigError, DataError, UsageError
from cpz.evaluation.ab.analyze import analyze
from cpz.evaluation.ab.plan import PlanConfig, given_baseline, past_baselines, plan
from cpz.evaluation.ab.power import power
from cpz.evaluation.ab.results import Comparison
from cpz.ingest.experiments.kinds.metric import Demand, Metric
from cpz.ingest.experiments.kinds.registry import KINDS, names_by_hand
from cpz.ingest.experiments.metrics_file import Experiment, experiment_of
from cpz.ingest.experiments.units import UnitTable, unit_table
from cpz.rehearsal.experiment import true_effects

Floats = npt.NDArray[np.float64]

PAGE = Path(__file__).parents[2] / "docs" / "commands" / "ab-analyze.md"

all_kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name())


def _document(kind: type[Metric], **keys: object) -> dict[str, Any]:
    return {
        "variant": "arm",
        "control": "0",
        "metrics": {"m": {"kind": kind.name(), **kind.example, **keys}},
    }


def _experiment(kind: type[Metric], **keys: object) -> Experiment:
    return experiment_of(_document(kind, **keys), "test")


def _shop(seed: int, n: int) -> pl.DataFrame:
    """Draw the columns that examples may name, with a covariate, and an arm for each unit."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(2.0, 0.5, n)
    return pl.DataFrame(
        {
            "arm": rng.integers(0, 2, n),
            "amount": (taste * rng.gamma(3.0, 20.0, n)).round(2),
            "flag": (rng.random(n) < 0.2 + 0.1 * taste.clip(0, 5)).astype(np.int64),
            "count": 1 + rng.poisson(2 * taste),
            "before": rng.poisson(3 * taste),
        }
    )


def _read(frame: pl.DataFrame, experiment: Experiment) -> UnitTable:
    return unit_table(frame, experiment, Path("units"))


def _found(frame: pl.DataFrame, experiment: Experiment) -> Comparison:
    return analyze(_read(frame, experiment), experiment).metrics["m"]["1"]


def _sides(metric: Metric, frame: pl.DataFrame) -> tuple[Floats, Floats]:
    """Return what stands above and below the line, row by row."""

    def values(column: str | None) -> Floats:
        if column is None:
            return np.ones(len(frame))
        made = metric.made.get(column)
        if made is None:
            return frame[column].to_numpy().astype(np.float64)
        return made.make(frame[made.source].to_numpy()).astype(np.float64)

    return values(metric.columns.numerator), values(metric.columns.denominator)


def test_names_are_unique() -> None:
    assert len({kind.name() for kind in KINDS}) == len(KINDS)


@all_kinds
def test_a_metrics_file_knows_the_kind(kind: type[Metric]) -> None:
    experiment = _experiment(kind)
    metric = experiment.metrics["m"]
    assert type(metric) is kind
    # what a run folder writes down is read again
    assert experiment_of(msgspec.to_builtins(experiment), "again") == experiment
    with pytest.raises(ConfigError, match=r"metrics\.m\.covariat"):
        _experiment(kind, covariat="before")
    assert f'"{kind.name()}"' in PAGE.read_text(encoding="utf-8")


@all_kinds
def test_what_is_read_is_demanded(kind: type[Metric]) -> None:
    """A missing value, and one that the kind does not take, are refused by name and row."""
    experiment, frame = _experiment(kind), _shop(1, 50)
    assert experiment.demands
    wrong = {Demand.PRESENT: None, Demand.BINARY: 2, Demand.NOT_NEGATIVE: -1}
    for name, demands in experiment.demands.items():
        for demand in demands:
            values: list[object] = frame[name].to_list()
            values[6] = wrong[demand]
            broken = frame.with_columns(pl.Series(name, values, dtype=frame.schema[name]))
            with pytest.raises(DataError, match=rf"{name}: .*row 7"):
                _read(broken, experiment)


@all_kinds
def test_what_is_made_is_made_row_by_row(kind: type[Metric]) -> None:
    metric = _experiment(kind).metrics["m"]
    for name, made in metric.made.items():
        assert name in (metric.columns.numerator, metric.columns.denominator)
        whole = np.arange(400)
        parts = [made.make(part) for part in (whole[:1], whole[1:150], whole[150:])]
        assert np.array_equal(made.make(whole), np.concatenate(parts))
        assert np.array_equal(made.make(whole), made.make(whole.astype(np.float64)))
        assert np.isnan(made.make(np.array([np.nan, 1.0]))).tolist() == [True, False]


@all_kinds
def test_estimate_and_error_are_those_of_the_rows(kind: type[Metric]) -> None:
    """R = mean N / mean D and the variance of (N - R D) / mean D, on rows and not on sums."""
    experiment, frame = _experiment(kind), _shop(2, 4_000)
    found = _found(frame, experiment)
    values, variances = [], []
    for arm in (0, 1):
        top, bottom = _sides(experiment.metrics["m"], frame.filter(pl.col("arm") == arm))
        ratio = top.mean() / bottom.mean()
        linear = (top - ratio * bottom) / bottom.mean()
        values.append(ratio)
        variances.append(linear.var(ddof=1) / len(linear))
    assert (found.control, found.treatment) == pytest.approx(tuple(values), rel=1e-12)
    assert found.absolute.se == pytest.approx(math.sqrt(sum(variances)), rel=1e-9)


@all_kinds
@pytest.mark.parametrize("covariate", [None, "before"])
def test_row_order_changes_no_bit(kind: type[Metric], covariate: str | None) -> None:
    experiment, frame = _experiment(kind, covariate=covariate), _shop(3, 500)
    other = frame.sample(fraction=1, shuffle=True, seed=1)
    assert repr(asdict(_found(frame, experiment))) == repr(asdict(_found(other, experiment)))


@all_kinds
def test_duplicated_rows_move_no_estimate(kind: type[Metric]) -> None:
    experiment, frame = _experiment(kind), _shop(4, 500)
    once, twice = (_found(rows, experiment) for rows in (frame, pl.concat([frame, frame])))
    assert twice.absolute.estimate == pytest.approx(once.absolute.estimate, rel=1e-12)
    assert twice.absolute.se == pytest.approx(once.absolute.se / math.sqrt(2), rel=2e-3)


@all_kinds
def test_a_larger_unit_changes_no_relative_effect(kind: type[Metric]) -> None:
    """In cents the change is what it is in euros, unless limits or a made column have a scale."""
    experiment, frame = _experiment(kind), _shop(5, 500)
    metric = experiment.metrics["m"]
    if metric.made or metric.limits != (-math.inf, math.inf):
        pytest.skip("the kind depends on the unit of its values")
    scaled = frame.with_columns(pl.col(metric.columns.numerator) * 100)
    euros, cents = _found(frame, experiment), _found(scaled, experiment)
    assert cents.relative.ci == pytest.approx(euros.relative.ci, rel=1e-9)
    assert cents.absolute.p_value == pytest.approx(euros.absolute.p_value, rel=1e-9)


@all_kinds
def test_a_covariate_takes_off_variance(kind: type[Metric]) -> None:
    found = _found(_shop(6, 4_000), _experiment(kind, covariate="before"))
    assert found.adjusted is not None
    assert found.adjusted.variance_reduction > 0


@all_kinds
def test_level_of_comparisons_of_equals(kind: type[Metric]) -> None:
    experiment = _experiment(kind)
    runs = 300
    p_values = [_found(_shop(100 + run, 400), experiment).absolute.p_value for run in range(runs)]
    share = float(np.mean(np.array(p_values) < 0.05))
    # three and a half standard errors of a share of 5 % over 300 runs
    assert share == pytest.approx(0.05, abs=3.5 * math.sqrt(0.05 * 0.95 / runs))


@all_kinds
def test_a_plan_from_past_units(kind: type[Metric]) -> None:
    experiment = _experiment(kind)
    pasts = past_baselines(_read(_shop(7, 4_000), experiment), experiment)
    config = PlanConfig(effect=0.1, units_per_day=1_000, days=7)
    found = plan(pasts, config).metrics["m"]
    assert found.kind == kind.name()
    assert found.n is not None
    assert power(pasts["m"].baseline, 0.1, found.n, config.design) >= 0.8
    assert found.window is not None
    assert found.window.mde_relative is not None
    low, high = experiment.metrics["m"].limits
    assert low < found.baseline * (1 + found.window.mde_relative) < high
    if high < math.inf:
        beyond = PlanConfig(effect=2 * high / found.baseline)
        with pytest.raises(UsageError, match="effect"):
            plan(pasts, beyond)


@all_kinds
def test_a_plan_by_hand_or_the_reason_why_not(kind: type[Metric]) -> None:
    if kind.needs_past:
        assert kind.name() not in names_by_hand()
        with pytest.raises(UsageError) as caught:
            given_baseline(kind.name(), 0.3, 0.2)
        assert kind.name() in caught.value.message
        assert kind.needs_past in caught.value.message
        assert "past file" in caught.value.hint
        return
    assert kind.name() in names_by_hand()
    sd = None if Demand.BINARY in kind.by_hand().demands.get("", ()) else 0.2
    past = given_baseline(kind.name(), 0.3, sd)
    assert plan({"m": past}, PlanConfig(effect=0.1)).metrics["m"].n


@all_kinds
def test_the_truth_of_a_simulation_is_that_of_the_rows(kind: type[Metric]) -> None:
    experiment, control, treatment = _experiment(kind), _shop(8, 300), _shop(9, 300)
    both = pl.concat(
        [
            frame.rename({name: f"{variant}.{name}" for name in frame.columns})
            for variant, frame in (("control", control), ("treatment", treatment))
        ],
        how="horizontal",
    )
    named = control.with_columns(
        pl.col("arm").replace_strict({0: "control", 1: "treatment"}, return_dtype=pl.String)
    )
    experiment = msgspec.structs.replace(experiment, control="control")
    analysis = analyze(_read(named, experiment), experiment)
    found = true_effects(both, experiment, analysis)["m"]
    for value, frame in ((found.control, control), (found.treatment, treatment)):
        top, bottom = _sides(experiment.metrics["m"], frame)
        assert value == pytest.approx(top.sum() / bottom.sum(), rel=1e-12)
    assert found.absolute == found.treatment - found.control
