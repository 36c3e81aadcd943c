"""Numbers to 1e-9 with SciPy, statsmodels and tea-tasting, for two and for several variants."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import tea_tasting as tt
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.difference import Test
from cpz.evaluation.ab.holm import holm
from cpz.evaluation.ab.results import ExperimentResult
from cpz.evaluation.ab.srm import sample_ratio

Shop = Callable[[int, int], dict[str, npt.NDArray[np.float64]]]

METRICS = {
    "orders": {"kind": "mean", "value": "orders"},
    "bought": {"kind": "proportion", "value": "bought"},
    "conversion": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"},
    "orders_cuped": {"kind": "mean", "value": "orders", "covariate": "orders_pre"},
    "conversion_cuped": {
        "kind": "ratio",
        "numerator": "orders",
        "denominator": "sessions",
        "covariate": "orders_pre",
        "covariate_denominator": "sessions_pre",
    },
}
TEA = {
    "orders": tt.Mean("orders"),
    "bought": tt.Mean("bought"),
    "conversion": tt.RatioOfMeans("orders", "sessions"),
    "orders_cuped": tt.Mean("orders", "orders_pre"),
    "conversion_cuped": tt.RatioOfMeans("orders", "sessions", "orders_pre", "sessions_pre"),
}


@pytest.fixture(scope="module")
def columns(shop: Shop) -> dict[str, npt.NDArray[Any]]:
    """3,000 shoppers in three variants, the second one a little better."""
    drawn: dict[str, npt.NDArray[Any]] = dict(shop(11, 3000))
    arm = np.random.default_rng(5).choice([0, 0, 1, 2], 3000)
    drawn["orders"] = drawn["orders"] + (arm == 1) * (drawn["sessions"] > 3)
    return {**drawn, "arm": arm}


@pytest.fixture(scope="module")
def analysed(columns: dict[str, Any], units: Any, spec: Any) -> Callable[[Test], ExperimentResult]:
    """Analyse with one of the tests."""
    experiment = spec(METRICS, split={"0": 2, "1": 1, "2": 1})
    table = units(experiment, **columns)
    return lambda test: analyze(table, experiment, AnalysisConfig(test))


def _sides(columns: dict[str, Any], name: str, arm: int) -> tuple[Any, Any]:
    return columns[name][columns["arm"] == arm], columns[name][columns["arm"] == 0]


@pytest.mark.parametrize("arm", [1, 2])
def test_welch_is_scipys(columns: dict[str, Any], analysed: Any, arm: int) -> None:
    for name in ("orders", "bought"):
        found = analysed("welch").metrics[name][str(arm)].absolute
        expected: Any = stats.ttest_ind(*_sides(columns, name, arm), equal_var=False)
        interval = expected.confidence_interval()
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.ci == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("arm", [1, 2])
def test_z_is_statsmodels(columns: dict[str, Any], analysed: Any, arm: int) -> None:
    treatment, control = (DescrStatsW(side) for side in _sides(columns, "orders", arm))
    means = CompareMeans(treatment, control)
    found = analysed("z").metrics["orders"][str(arm)].absolute
    assert found.p_value == pytest.approx(means.ztest_ind(usevar="unequal")[1], rel=1e-9)
    assert found.ci == pytest.approx(means.zconfint_diff(usevar="unequal"), rel=1e-9)


@pytest.mark.parametrize("arm", [1, 2])
@pytest.mark.parametrize("name", METRICS)
def test_everything_is_tea_tastings(
    columns: dict[str, Any], analysed: Any, name: str, arm: int
) -> None:
    frame = pl.DataFrame(columns).filter(pl.col("arm").is_in([0, arm]))
    experiment = tt.Experiment({"metric": TEA[name]}, variant="arm")
    theirs: Any = experiment.analyze(frame.to_arrow(), control=0)["metric"]
    found = analysed("welch").metrics[name][str(arm)]
    side = found.adjusted or found
    assert side.control == pytest.approx(theirs.control, rel=1e-9)
    assert side.treatment == pytest.approx(theirs.treatment, rel=1e-9)
    assert side.absolute.estimate == pytest.approx(theirs.effect_size, rel=1e-9)
    assert side.absolute.ci == pytest.approx(
        (theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), rel=1e-9
    )
    assert side.absolute.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert side.relative.estimate == pytest.approx(theirs.rel_effect_size, rel=1e-9)
    # their relative interval is another pivot's (the log ratio), and can contradict this p-value
    assert side.relative.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert side.relative.ci == pytest.approx(
        (theirs.rel_effect_size_ci_lower, theirs.rel_effect_size_ci_upper), abs=0.01
    )


@pytest.mark.parametrize("arm", [1, 2])
@pytest.mark.parametrize("name", ["orders", "bought"])
def test_the_relative_interval_holds_the_changes_that_welch_does_not_reject(
    columns: dict[str, Any], analysed: Any, name: str, arm: int
) -> None:
    """Each end is where SciPy's t of the treatment against R times the control is the quantile."""
    treatment, control = _sides(columns, name, arm)
    plain: Any = stats.ttest_ind(treatment, control, equal_var=False)
    reach = stats.t.ppf(0.975, plain.df)
    for sign, end in zip(
        (1, -1), analysed("welch").metrics[name][str(arm)].relative.ci, strict=True
    ):
        moved: Any = stats.ttest_ind(treatment, (1 + end) * control, equal_var=False)
        assert moved.statistic == pytest.approx(sign * reach, rel=1e-9)


def test_sample_ratio_is_scipys_and_tea_tastings(columns: dict[str, Any], analysed: Any) -> None:
    counts = np.bincount(columns["arm"]).tolist()
    expected = stats.chisquare(counts, np.array([0.5, 0.25, 0.25]) * 3000)
    found = analysed("welch").srm
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    two = tt.SampleRatio({0: 2, 1: 1}, method="norm", correction=False)
    frame = pl.DataFrame({"arm": columns["arm"]}).filter(pl.col("arm") < 2)
    theirs: Any = tt.Experiment({"srm": two}, variant="arm").analyze(frame.to_arrow(), control=0)
    ours = sample_ratio(["0", "1"], counts[:2], {"0": 2, "1": 1})
    # with two variants chi-square on one degree of freedom is the square of their z
    assert ours.p_value == pytest.approx(theirs["srm"].pvalue, rel=1e-9)


def test_a_planted_mismatch_is_found_among_several_variants() -> None:
    observed = [10_000, 10_050, 9_500]
    found = sample_ratio(["a", "b", "c"], observed, {})
    assert found.p_value == pytest.approx(stats.chisquare(observed).pvalue, rel=1e-9)
    assert found.is_mismatch
    assert not sample_ratio(["a", "b", "c"], [10_000, 10_050, 9_950], {}).is_mismatch


def test_holm_is_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = [0.011, 0.04, 0.9, 0.0002, 0.04, 0.03]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []
