"""`--fail-on` expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.bench.machine import this_machine
from cpz.bench.results import BenchResult, Figure, relative_figures
from cpz.data.errors import UsageError
from cpz.serving.load.limit import Limit, read_limit

FIGURES = relative_figures(("simulate", "train"))


def limit(text: str) -> Limit:
    return read_limit(text, FIGURES, "train>1.2")


@pytest.mark.parametrize("text", ["train>1.2", " train > 1.2 ", "simulate_peak_mb<0.5"])
def test_limits_read_back_as_written(text: str) -> None:
    assert limit(text).text == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", "train", "train>", "train>=1.2", "train>-1", "train>1,2"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        limit(text)
    assert repr(text) in raised.value.message
    assert "train>1.2" in raised.value.hint


def test_an_unknown_figure_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        limit("trian>1.2")
    assert "'trian'" in raised.value.message
    assert "'train'" in raised.value.hint


@given(st.floats(0.0, 9.0).map(lambda x: round(x, 3)), st.floats(0.0, 9.0))
def test_above_and_below_are_opposites(value: float, found: float) -> None:
    above, below = (limit(f"train{sign}{value:.3f}") for sign in "><")
    assert above.fails(found) + below.fails(found) == (found != value)


def test_a_result_without_baseline_has_no_relative_figure() -> None:
    figure = Figure("work", "fixed", 15, 1.5, 1.4, 1.6, 0.99, 0.3, 0.2, 120.0)
    result = BenchResult("smoke", "", "0.1.0", this_machine(), 1.0, {"train": figure})
    with pytest.raises(ValueError, match="train"):
        result.relative("train")
