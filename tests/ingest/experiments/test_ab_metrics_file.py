"""The metrics file: what it may say, and what is said of a mistake."""

from pathlib import Path
from typing import Any

import pytest

from cpz.data.errors import ConfigError, NotFoundError
from cpz.ingest.experiments.kinds.metric import MetricColumns
from cpz.ingest.experiments.metrics_file import experiment_of, load_experiment

GOOD = """
unit = "user_id"
variant = "variant"
control = "0"
time = "day"
[split]
0 = 9
1 = 1
[metrics.orders]
kind = "mean"
value = "orders"
covariate = "orders_pre"
[metrics.bought]
kind = "proportion"
value = "bought"
[metrics.rate]
kind = "ratio"
numerator = "orders"
denominator = "sessions"
covariate = "orders_pre"
covariate_denominator = "sessions_pre"
[metrics.refunds]
kind = "mean"
value = "refunds"
better = "lower"
non_inferiority = 0.02
"""


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ({"kind": "mean", "value": "revenue_eur_cents"}, "euro cents"),
        ({"kind": "mean", "value": "minor"}, ""),
        ({"kind": "proportion", "value": "is_minor"}, ""),
        ({"kind": "ratio", "numerator": "margin_minor", "denominator": "orders"}, "minor units"),
        ({"kind": "ratio", "numerator": "margin_minor", "denominator": "revenue_minor"}, ""),
        ({"kind": "ratio", "numerator": "orders", "denominator": "margin_minor"}, ""),
    ],
)
def test_a_unit_is_read_off_a_column_of_money_and_never_invented(
    metric: dict[str, str], unit: str
) -> None:
    document = {"variant": "v", "control": "c", "metrics": {"m": metric}}
    assert experiment_of(document, "metrics.toml").amounts == ({"m": unit} if unit else {})


def _write(folder: Path, text: str) -> Path:
    path = folder / "metrics.toml"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    found = load_experiment(_write(tmp_path, GOOD))
    assert (found.unit, found.variant, found.control_name, found.time) == (
        "user_id",
        "variant",
        "0",
        "day",
    )
    assert found.split == {"0": 9, "1": 1}
    assert [metric.name() for metric in found.metrics.values()] == [
        "mean",
        "proportion",
        "ratio",
        "mean",
    ]
    assert found.metrics["rate"].columns == MetricColumns(
        "orders", "sessions", "orders_pre", "sessions_pre"
    )
    assert found.metrics["orders"].columns == MetricColumns("orders", None, "orders_pre")


def test_a_control_may_be_a_number() -> None:
    metric = {"kind": "mean", "value": "x"}
    for control, name in ((0, "0"), (0.0, "0"), (-1.0, "-1"), (0.5, "0.5"), (False, "false")):
        document = {"variant": "v", "control": control, "metrics": {"m": metric}}
        assert experiment_of(document, "t").control_name == name


@pytest.mark.parametrize(
    ("old", "new", "fragment", "hint"),
    [
        ('time = "day"', 'tme = "day"', "tme", "'time'"),
        ('covariate = "orders_pre"', 'covariat = "x"', "metrics.orders.covariat", "'covariate'"),
        ('kind = "mean"', 'kind = "means"', "metrics.orders.kind", "'mean'"),
        ('kind = "mean"\n', "", "metrics.orders.kind", ""),
        ('value = "orders"', "value = 3", "metrics.orders.value", ""),
        ('value = "orders"\n', "", "value", ""),
        ('variant = "variant"\n', "", "variant", ""),
        ("0 = 9", "0 = 0", "split", ""),
        ('better = "lower"', 'better = "down"', "metrics.refunds.better", ""),
        ("non_inferiority = 0.02", "non_inferiority = -0.02", "metrics.refunds", ""),
        ("non_inferiority = 0.02", "non_inferiority = -2", "metrics.refunds", ""),
        ('numerator = "orders"', 'value = "orders"', "metrics.rate.value", ""),
        ('control = "0"', "control = [", "TOML", ""),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, fragment: str, hint: str) -> None:
    path = _write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    assert fragment in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.path == str(path)


@pytest.mark.parametrize("metrics", [{}, {"m": 3}])
def test_metrics_are_tables_and_there_is_one(metrics: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        experiment_of({"variant": "v", "control": "a", "metrics": metrics}, "t")


def test_a_covariates_denominator_needs_the_covariate() -> None:
    metric = {"kind": "ratio", "numerator": "a", "denominator": "b", "covariate_denominator": "c"}
    with pytest.raises(ConfigError):
        experiment_of({"variant": "v", "control": "a", "metrics": {"m": metric}}, "t")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_experiment(tmp_path / "none.toml")
