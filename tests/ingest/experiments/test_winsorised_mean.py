"""The winsorised mean: by hand, and what it refuses."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cpz.data.errors import ConfigError
from cpz.evaluation.ab.analyze import analyze
from cpz.ingest.experiments.metrics_file import Experiment, experiment_of
from cpz.ingest.experiments.units import unit_table


def _experiment(**limits: Any) -> Experiment:
    metrics = {
        "plain": {"kind": "mean", "value": "spend_minor"},
        "cut": {"kind": "winsorised_mean", "value": "spend_minor", **limits},
    }
    return experiment_of({"variant": "arm", "control": "a", "metrics": metrics}, "m.toml")


@pytest.mark.parametrize(
    ("limits", "control", "treatment"),
    [
        ({"upper": 10}, (1 + 10 + 4) / 3, (2 + 10 + 0) / 3),
        ({"lower": 1.5}, (1.5 + 100 + 4) / 3, (2 + 10 + 1.5) / 3),
        ({"lower": 2, "upper": 4}, (2 + 4 + 4) / 3, (2 + 4 + 2) / 3),
    ],
)
def test_means_by_hand(limits: dict[str, float], control: float, treatment: float) -> None:
    frame = pl.DataFrame({"arm": ["a", "b"] * 3, "spend_minor": [1, 2, 100, 10, 4, 0]})
    experiment = _experiment(**limits)
    found = analyze(unit_table(frame, experiment, Path("units")), experiment)
    cut = found.metrics["cut"]["b"]
    assert (cut.control, cut.treatment) == pytest.approx((control, treatment))
    assert found.metrics["plain"]["b"].control == pytest.approx(35.0)
    assert found.amounts["cut"] == found.amounts["plain"] == "minor units"


@pytest.mark.parametrize(
    "limits", [{}, {"lower": 5, "upper": 5}, {"lower": 1, "upper": 0}, {"upper": float("nan")}]
)
def test_limits_that_leave_nothing_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.cut\.upper"):
        _experiment(**limits)


def test_a_column_of_the_name_of_a_made_one_is_refused() -> None:
    made = "spend_minor from -inf to 10.0"
    document = {
        "variant": "arm",
        "control": "a",
        "metrics": {
            "cut": {"kind": "winsorised_mean", "value": "spend_minor", "upper": 10},
            "other": {"kind": "mean", "value": made},
        },
    }
    with pytest.raises(ConfigError, match="that a metric makes"):
        experiment_of(document, "m.toml")
