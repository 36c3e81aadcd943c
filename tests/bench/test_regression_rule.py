"""The regression rule: by hand at its edges, and what it promises, by Hypothesis."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.bench.baseline import BaselineFigure
from cpz.bench.compare import (
    MARGIN,
    OTHER_MACHINE_MARGIN,
    compare,
    compare_memory,
    compare_time,
    is_settled,
    margin_between,
)
from cpz.bench.results import Figure, Regression

WIDTH = st.floats(0.0, 0.3)


def figure(ratio: float, below: float = 0.02, above: float = 0.02) -> Figure:
    low, high = ratio * (1 - below), ratio * (1 + above)
    return Figure("work", "fixed work", 15, ratio, low, high, 0.99, 1.0, 1.0, 100.0)


def base(ratio: float = 2.0, below: float = 0.02, above: float = 0.02) -> BaselineFigure:
    return BaselineFigure(ratio, ratio * (1 - below), ratio * (1 + above), 15, 100.0)


def test_the_rule_by_hand() -> None:
    found = compare_time(figure(2.6), base())
    assert found.relative == pytest.approx(1.3)
    assert found.low == pytest.approx(2.6 * 0.98 / (2.0 * 1.02))  # 1.249
    assert found.high == pytest.approx(2.6 * 1.02 / (2.0 * 0.98))  # 1.353
    assert found.detects == pytest.approx(1.12 * 1.02 / 0.98)  # 1.166
    assert found.verdict is Regression.SLOWER


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (2.00, Regression.OK),
        (2.32, Regression.OK),  # 1.16: low 1.115, not above the margin
        (2.34, Regression.SLOWER),  # 1.17: low 1.124
        (1.73, Regression.OK),  # 0.865: high 0.900, not below 1 / 1.12 = 0.893
        (1.70, Regression.FASTER),  # 0.85: high 0.885
    ],
)
def test_verdicts_around_the_margin(ratio: float, verdict: Regression) -> None:
    assert compare_time(figure(ratio), base()).verdict is verdict


def test_an_interval_too_wide_to_show_thirty_percent_is_not_called_ok() -> None:
    found = compare_time(figure(2.0, below=0.10, above=0.10), base(above=0.10))
    assert found.detects == pytest.approx(1.12 * 1.10 / 0.90)  # 1.369
    assert found.verdict is Regression.TOO_NOISY
    assert "1.37" in found.reason


def test_another_machine_has_a_wider_margin() -> None:
    assert margin_between(()) == MARGIN
    margin = margin_between(("python: 3.11, here 3.12",))
    assert margin == OTHER_MACHINE_MARGIN
    assert compare_time(figure(2.8), base(), margin).verdict is Regression.OK
    assert compare_time(figure(3.3), base(), margin).verdict is Regression.SLOWER


@given(WIDTH, WIDTH, WIDTH, WIDTH, st.floats(0.1, 10.0))
def test_a_slowdown_above_what_it_detects_is_always_called(
    a: float, b: float, c: float, d: float, ratio: float
) -> None:
    clean, saved = figure(ratio, a, b), base(ratio, c, d)
    detects = compare_time(clean, saved).detects

    def slowed(by: float) -> Figure:
        return replace(
            clean,
            ratio=ratio * by,
            ratio_low=clean.ratio_low * by,
            ratio_high=clean.ratio_high * by,
        )

    assert compare_time(slowed(detects * 1.001), saved).verdict is Regression.SLOWER
    assert compare_time(slowed(detects * 0.999), saved).verdict is not Regression.SLOWER


@given(WIDTH, WIDTH, st.floats(0.1, 10.0))
def test_a_figure_is_never_slower_than_itself(below: float, above: float, ratio: float) -> None:
    found = compare_time(figure(ratio, below, above), base(ratio, below, above))
    assert found.verdict in (Regression.OK, Regression.TOO_NOISY)
    assert found.low <= 1.0 <= found.high


@pytest.mark.parametrize(
    ("peak", "verdict"),
    [
        # limit 200 + 30 + 16 = 246 MB, and as much below
        (200.0, Regression.OK),
        (246.0, Regression.OK),
        (246.1, Regression.LARGER),
        (260.0, Regression.LARGER),  # 30 % more
        (153.0, Regression.SMALLER),
    ],
)
def test_memory_by_hand(peak: float, verdict: Regression) -> None:
    found = compare_memory(peak, 200.0)
    assert found.limit_mb == pytest.approx(246.0)
    assert found.verdict is verdict


def test_what_deserves_a_second_look() -> None:
    assert is_settled(compare(figure(2.0), base(), MARGIN))
    assert is_settled(compare(figure(1.5), base(), MARGIN))
    assert not is_settled(compare(figure(2.6), base(), MARGIN))
    assert not is_settled(compare(figure(2.0, below=0.3), base(), MARGIN))
    assert not is_settled(compare(replace(figure(2.0), peak_mb=200.0), base(), MARGIN))
