"""The metrics file of an experiment: which columns hold what. One TOML file.

Such a file holds `unit`, `variant`, `control` and perhaps `time`, then one table [metrics.NAME] per
metric; docs/commands/ab-analyze.md shows one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError
from cpz.data.toml_files import read_toml

Kind = Literal["mean", "proportion", "ratio"]
Better = Literal["higher", "lower"]
Share = Annotated[float, Meta(gt=0)]


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


MINOR_UNITS = "minor units"
#: How columns of money end, and what their amounts are then in.
_AMOUNTS = {"_minor": MINOR_UNITS, "_eur_cents": "euro cents"}


def amount_unit(metric: MetricSpec) -> str:
    """Return what a metric's amounts of money are in, as far as its columns' names say it.

    Money over money is a share, and a name that says nothing gets no unit: both are "".

    >>> amount_unit(MeanMetric(value="margin_minor")), amount_unit(MeanMetric(value="margin"))
    ('minor units', '')
    """
    columns = columns_of(metric)
    if isinstance(metric, ProportionMetric) or _unit_of(columns.denominator or ""):
        return ""
    return _unit_of(columns.numerator)


def _unit_of(column: str) -> str:
    return next((unit for ending, unit in _AMOUNTS.items() if column.endswith(ending)), "")


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
    control: str | int | float | bool
    metrics: dict[str, MetricSpec]
    unit: str | None = None
    time: str | None = None
    split: dict[str, Share] = {}

    @property
    def control_name(self) -> str:
        """Return the control as text, as variants are compared: 0.0 is 0, a truth value true."""
        if isinstance(self.control, bool):
            return str(self.control).lower()
        is_whole = isinstance(self.control, float) and self.control.is_integer()
        return str(int(self.control) if is_whole else self.control)

    @property
    def amounts(self) -> dict[str, str]:
        """Return the unit of the metrics that are amounts of money, by name."""
        found = {name: amount_unit(metric) for name, metric in self.metrics.items()}
        return {name: unit for name, unit in found.items() if unit}

    def control_among(self, names: Sequence[str]) -> str:
        """Return the control as a file's variants spell it: `false` may be written False, FALSE."""
        if isinstance(self.control, bool):
            spelt = (name for name in names if name.lower() == self.control_name)
            return next(spelt, self.control_name)
        return self.control_name


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
    experiment: Experiment = convert_document(document, Experiment, where)
    if not experiment.metrics:
        raise ConfigError(
            f"{where}: metrics: expected at least one [metrics.NAME] table, got none", path=where
        )
    for name, spec in experiment.metrics.items():
        _check_values(name, spec, where)
    return experiment


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
