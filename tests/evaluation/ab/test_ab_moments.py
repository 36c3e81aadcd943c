"""Counts, means and moments from the one scan."""

import math
from typing import Any

import numpy as np
import pytest

from cpz.evaluation.ab.arm import (
    Ratio,
    adjusted_arm,
    adjusted_shape,
    fit_adjustment,
    needs,
    plain_arm,
    plain_shape,
    ratio_cov,
)
from cpz.evaluation.ab.moments import collect, monomials
from cpz.ingest.experiments.kinds.metric import MetricColumns
from cpz.ingest.experiments.units import UnitTable


def _table(look: list[int] | None = None, **columns: list[float]) -> UnitTable:
    n = len(next(iter(columns.values())))
    looks = ("all",) if look is None else tuple(map(str, sorted(set(look))))
    return UnitTable(
        variants=("0", "1"),
        arm=np.arange(n) % 2,
        looks=looks,
        look=np.zeros(n, np.int64) if look is None else np.array(look),
        columns={name: np.array(values) for name, values in columns.items()},
    )


def test_moments_by_hand() -> None:
    # arm 0: 1, 3, 8; arm 1: 2, 6
    data = collect(_table(x=[1.0, 2.0, 3.0, 6.0, 8.0]), monomials("x", degree=3))
    control, treatment = data.moments(0), data.moments(1)
    assert (control.n, treatment.n, data.counts()) == (3, 2, [3, 2])
    assert control.mean("x") == pytest.approx(4.0)
    assert control.cov("x", "x") == pytest.approx((9 + 1 + 16) / 2)
    assert control.third("x", "x", "x") == pytest.approx((-27 - 1 + 64) / 3)
    assert data.moments(0, 1).mean("x") == pytest.approx(4.0)
    assert data.moments(0, 1).cov("x", "x") == pytest.approx((9 + 4 + 1 + 4 + 16) / 4)


def test_moments_agree_with_numpy_far_from_zero() -> None:
    rng = np.random.default_rng(1)
    x = 1e9 + rng.normal(0, 1, 1001)
    y = x + rng.normal(0, 2, 1001)
    table = _table(x=x.tolist(), y=y.tolist())
    data = collect(table, monomials("x", "y", degree=2))
    for arm in (0, 1):
        cov = np.cov(x[table.arm == arm] - 1e9, y[table.arm == arm] - 1e9)
        # the columns themselves hold 1e9 to 1e-7
        assert data.moments(arm).cov("x", "y") == pytest.approx(cov[0, 1], rel=1e-6)
        assert data.moments(arm).cov("x", "x") == pytest.approx(cov[0, 0], rel=1e-6)


def test_a_constant_column_has_no_variance_at_all() -> None:
    data = collect(_table(x=[0.1] * 7), monomials("x", degree=2))
    assert data.moments(0).cov("x", "x") == pytest.approx(0.0, abs=1e-20)
    assert data.moments(0).cov("x", "x") >= 0


def test_too_few_units_have_no_moments() -> None:
    data = collect(_table(x=[5.0]), monomials("x", degree=2))
    assert math.isnan(data.moments(1).mean("x"))
    assert math.isnan(data.moments(0).cov("x", "x"))


def test_looks_add_up() -> None:
    table = _table([0, 0, 1, 1, 2, 2], x=[1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    data = collect(table, monomials("x", degree=2))
    assert data.counts(0) == [1, 1]
    assert data.moments(0, look=1).mean("x") == pytest.approx(2.0)
    running = data.cumulative()
    for look in range(3):
        assert running.at(look, 0, 1) == data.moments(0, 1, look=look)


@pytest.mark.parametrize(
    ("present", "mean"),
    [
        ([1.0, 2.0, 4.0, 5.0, 3.0], 3.0),
        ([0.0, 1.0, 0.0, 0.0, 0.0], 0.2),
        ([9e3, 0.1, 0, 0, 0], None),
    ],
    ids=["whole", "rare", "skewed"],
)
def test_a_missing_covariate_counts_as_average(present: list[float], mean: float | None) -> None:
    """The mean itself, not the whole number or the round one beside it."""
    columns = MetricColumns("y", None, "x")
    y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    average = sum(present) / 5 if mean is None else mean
    holed, filled = (
        collect(_table(y=y, x=[*present[:2], hole, *present[2:]]), needs(columns))
        for hole in (math.nan, average)
    )
    arms = [
        adjusted_arm(data.moments(0), columns, fit_adjustment(data.moments(0, 1), columns))
        for data in (holed, filled)
    ]
    assert arms[0].mean == pytest.approx(arms[1].mean, rel=1e-9)
    assert arms[0].variance == pytest.approx(arms[1].variance, rel=1e-9)


def test_a_constant_covariate_with_a_hole_has_no_spread() -> None:
    columns = MetricColumns("y", None, "x")
    table = _table(y=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], x=[0.1, 0.1, math.nan, 0.1, 0.1, 0.1])
    assert fit_adjustment(collect(table, needs(columns)).moments(0, 1), columns).theta == 0.0


@pytest.mark.parametrize(
    "columns",
    [MetricColumns("y", "d"), MetricColumns("y")],
    ids=["ratio", "mean"],
)
def test_an_arm_is_the_mean_of_linearised_values(columns: MetricColumns) -> None:
    rng = np.random.default_rng(2)
    d = 1.0 + rng.poisson(2, 400)
    y = rng.binomial(d.astype(int), 0.4).astype(float)
    table = _table(y=y.tolist(), d=d.tolist())
    moments = collect(table, needs(columns)).moments(0)
    top, bottom = y[table.arm == 0], d[table.arm == 0] if columns.denominator else np.ones(200)
    ratio = top.mean() / bottom.mean()
    linear = (top - ratio * bottom) / bottom.mean()
    arm = plain_arm(moments, columns)
    assert arm.mean == pytest.approx(ratio, rel=1e-12)
    assert arm.variance == pytest.approx(linear.var(ddof=1), rel=1e-10)
    shape = plain_shape(moments, columns)
    assert shape.variance == arm.variance
    assert shape.third == pytest.approx(((linear - linear.mean()) ** 3).mean(), rel=1e-9)


@pytest.mark.parametrize(
    "columns",
    [
        MetricColumns("a", "b", "c", "d"),
        MetricColumns("a", None, "c"),
        MetricColumns("a", "c", "c"),
    ],
    ids=["ratios", "mean", "denominator as covariate"],
)
def test_the_shape_after_an_adjustment_is_that_of_its_values(columns: MetricColumns) -> None:
    rng = np.random.default_rng(5)
    drawn = {name: rng.lognormal(0.0, 1.0, 300) for name in "abcd"}
    drawn["a"] += drawn["c"]

    def linear(top: str, bottom: str | None) -> Any:
        below = drawn[bottom] if bottom else np.ones(300)
        ratio = drawn[top].mean() / below.mean()
        return (drawn[top] - ratio * below) / below.mean()

    assert columns.covariate is not None
    pooled = collect(_table(**{k: v.tolist() for k, v in drawn.items()}), needs(columns))
    moments = pooled.moments(0, 1)
    by = fit_adjustment(moments, columns)
    value = linear(columns.numerator, columns.denominator)
    value -= by.theta * linear(columns.covariate, columns.covariate_denominator)
    shape = adjusted_shape(moments, columns, by)
    assert shape.variance == pytest.approx(value.var(ddof=1), rel=1e-9)
    assert shape.third == pytest.approx((value**3).mean(), rel=1e-8)
    coupling = 0.0
    if columns.denominator:
        below = drawn[columns.denominator]
        coupling = np.cov(value, below)[0, 1] / below.mean()
    assert shape.coupling == pytest.approx(coupling, rel=1e-8, abs=1e-12)
    expected = (value**3).mean() / value.var(ddof=1) ** 1.5 - 3 * coupling / value.std(ddof=1)
    assert shape.skewness == pytest.approx(expected, rel=1e-8)


def test_a_ratio_covariate_is_linearised_too() -> None:
    rng = np.random.default_rng(3)
    a, b, c, d = (1.0 + rng.poisson(3, 300).astype(float) for _ in range(4))
    moments = collect(
        _table(a=a.tolist(), b=b.tolist(), c=c.tolist(), d=d.tolist()),
        needs(MetricColumns("a", "b", "c", "d")),
    ).moments(0, 1)
    left = (a - a.mean() / b.mean() * b) / b.mean()
    right = (c - c.mean() / d.mean() * d) / d.mean()
    found = ratio_cov(moments, Ratio("a", "b"), Ratio("c", "d"))
    assert found == pytest.approx(np.cov(left, right)[0, 1], rel=1e-10)


def test_a_denominator_of_zeros_is_undefined() -> None:
    columns = MetricColumns("y", "d")
    data = collect(_table(y=[1.0, 2.0, 3.0, 4.0], d=[0.0] * 4), needs(columns))
    arm: Any = plain_arm(data.moments(0), columns)
    assert math.isnan(arm.mean)
    assert math.isnan(arm.variance)
