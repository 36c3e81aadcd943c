"""The metrics file of an experiment: which columns hold what. One TOML file.

Such a file holds `unit`, `variant`, `control` and perhaps `time`, then one table [metrics.NAME] per
metric; docs/commands/ab-analyze.md shows one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cpz.data.errors import ConfigError, nearest
from cpz.data.toml_files import read_toml

Kind = Literal["mean", "proportion", "ratio"]
Better = Literal["higher", "lower"]
Share = Annotated[float, Meta(gt=0)]

_AT = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<where>[^`]*)`$")


class _Metric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every metric may say.

    Attributes:
        covariate: a column known before the experiment; adjusts by CUPED.
        non_inferiority: the relative change that is still acceptable, such as -0.01 (where lower
            is better: 0.01); makes the metric a guardrail.
        better: which direction is good.
    """

    covariate: str | None = None
    non_inferiority: Annotated[float, Meta(gt=-1, lt=10)] | None = None
    better: Better = "higher"


class MeanMetric(_Metric, frozen=True, kw_only=True, tag="mean"):
    """The mean of a column over units."""

    value: str


class ProportionMetric(_Metric, frozen=True, kw_only=True, tag="proportion"):
    """The share of units for which a 0/1 column is 1."""

    value: str


class RatioMetric(_Metric, frozen=True, kw_only=True, tag="ratio"):
    """The sum of one column over the sum of another, such as orders per session.

    Attributes:
        numerator: column of the sum above the line.
        denominator: column of the sum below.
        covariate_denominator: makes the covariate a ratio too, `covariate` being its numerator.
    """

    numerator: str
    denominator: str
    covariate_denominator: str | None = None


MetricSpec = MeanMetric | ProportionMetric | RatioMetric


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """A metric as a ratio of two columns, and so its covariate; None stands for the constant 1."""

    numerator: str
    denominator: str | None = None
    covariate: str | None = None
    covariate_denominator: str | None = None


def columns_of(metric: MetricSpec) -> MetricColumns:
    """Return the columns that a metric reads.

    >>> columns_of(MeanMetric(value="orders")).numerator
    'orders'
    """
    if isinstance(metric, RatioMetric):
        return MetricColumns(
            metric.numerator, metric.denominator, metric.covariate, metric.covariate_denominator
        )
    return MetricColumns(metric.value, None, metric.covariate)


def kind_of(metric: MetricSpec) -> Kind:
    """Return "mean", "proportion" or "ratio"."""
    if isinstance(metric, RatioMetric):
        return "ratio"
    return "proportion" if isinstance(metric, ProportionMetric) else "mean"


class Experiment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An experiment's columns and metrics.

    Attributes:
        variant: the column that names each unit's variant.
        control: the variant that the others are compared with.
        metrics: by name.
        unit: the column of the randomised unit's id; without it every row is a unit.
        time: the column that orders the looks of a sequential analysis, such as a day.
        split: planned share of each variant, in any scale; by default all are equal.
    """

    variant: str
    control: str | int | bool
    metrics: dict[str, MetricSpec]
    unit: str | None = None
    time: str | None = None
    split: dict[str, Share] = {}

    @property
    def control_name(self) -> str:
        """Return the control as text, as variants are compared."""
        return str(self.control)


_METRICS: dict[str, type[Struct]] = {
    "mean": MeanMetric,
    "proportion": ProportionMetric,
    "ratio": RatioMetric,
}


def load_experiment(path: Path) -> Experiment:
    """Read a metrics file.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: not TOML, an unknown key (the nearest known one is named), a missing key, a
            wrong type, or a value out of range; the message names the key.
    """
    document = read_toml(path, "metrics file")
    return experiment_of(document, str(path))


def experiment_of(document: Mapping[str, Any], where: str) -> Experiment:
    """Turn plain values into an experiment; `where` is what messages call them.

    >>> metric = {"kind": "ratio", "numerator": "orders", "denominator": "sessions"}
    >>> document = {"variant": "arm", "control": 0, "metrics": {"conversion": metric}}
    >>> experiment_of(document, "metrics.toml").control_name
    '0'
    """
    _refuse_unknown(document, set(Experiment.__struct_fields__), "", where)
    metrics = document.get("metrics")
    for name, metric in metrics.items() if isinstance(metrics, dict) else ():
        _check_metric(name, metric, where)
    try:
        experiment = msgspec.convert(document, Experiment)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), where) from error
    if not experiment.metrics:
        raise ConfigError(
            f"{where}: metrics: expected at least one [metrics.NAME] table, got none", path=where
        )
    for name, spec in experiment.metrics.items():
        _check_values(name, spec, where)
    return experiment


def _check_metric(name: str, metric: object, where: str) -> None:
    """Refuse an unknown kind or key of one metric, naming the nearest; msgspec names neither."""
    if not isinstance(metric, dict):
        raise ConfigError(f"{where}: metrics.{name}: expected a table, got {metric!r}", path=where)
    kind = metric.get("kind")
    if kind not in _METRICS:
        raise ConfigError(
            f'{where}: metrics.{name}.kind: expected "mean", "proportion" or "ratio", got {kind!r}',
            hint="" if kind is None else nearest(str(kind), _METRICS),
            path=where,
        )
    known = set(_METRICS[kind].__struct_fields__) | {"kind"}
    _refuse_unknown(metric, known, f"metrics.{name}.", where)
    try:  # one by one, because msgspec does not name the key of a dictionary
        msgspec.convert(metric, _METRICS[kind])
    except msgspec.ValidationError as error:
        raise _invalid(str(error), where, f"metrics.{name}") from error


def _refuse_unknown(table: Mapping[str, Any], known: set[str], at: str, where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {at}{key}", hint=nearest(key, known), path=where
            )


def _invalid(message: str, where: str, at: str = "") -> ConfigError:
    match = _AT.match(message)
    what, key = (match["what"], match["where"]) if match else (message, "")
    key = ".".join(part for part in (at, key) if part)
    return ConfigError(f"{where}: {key + ': ' if key else ''}{what}", path=where)


def _check_values(name: str, metric: MetricSpec, where: str) -> None:
    margin = metric.non_inferiority
    if margin is not None and (margin >= 0) == (metric.better == "higher"):
        raise ConfigError(
            f"{where}: metrics.{name}.non_inferiority: expected the acceptable relative loss, "
            f"{'below' if metric.better == 'higher' else 'above'} 0 as {metric.better} is better, "
            f"got {margin}",
            path=where,
        )
    columns = columns_of(metric)
    if columns.covariate_denominator is not None and columns.covariate is None:
        raise ConfigError(
            f"{where}: metrics.{name}.covariate_denominator needs a covariate above it", path=where
        )
