"""The metrics file of an experiment: which columns hold what. One TOML file.

Such a file holds `unit`, `variant`, `control` and perhaps `time`, then one table [metrics.NAME] per
metric; docs/commands/ab-analyze.md shows one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError
from cpz.data.toml_files import read_toml
from cpz.ingest.experiments.kinds.metric import Demand, Made
from cpz.ingest.experiments.kinds.registry import AnyMetric

Share = Annotated[float, Meta(gt=0)]


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
    metrics: dict[str, AnyMetric]
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
        found = {name: metric.amount_unit for name, metric in self.metrics.items()}
        return {name: unit for name, unit in found.items() if unit}

    @property
    def demands(self) -> dict[str, frozenset[Demand]]:
        """Return the columns that the metrics read, sorted, and what they demand of the values."""
        found: dict[str, frozenset[Demand]] = {}
        for metric in self.metrics.values():
            for name, demands in metric.demands.items():
                found[name] = found.get(name, frozenset()) | demands
        return dict(sorted(found.items()))

    @property
    def covariates(self) -> list[str]:
        """Return the columns that are covariates of some metric, sorted."""
        read = (metric.columns for metric in self.metrics.values())
        pairs = [(one.covariate, one.covariate_denominator) for one in read]
        return sorted({name for pair in pairs for name in pair if name is not None})

    @property
    def made(self) -> dict[str, Made]:
        """Return the columns that the metrics make, by name."""
        return {name: one for metric in self.metrics.values() for name, one in metric.made.items()}

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
    for name, metric in experiment.metrics.items():
        for mistake in metric.mistakes():
            raise ConfigError(f"{where}: metrics.{name}{mistake}", path=where)
    for name in experiment.made.keys() & experiment.demands.keys():
        raise ConfigError(
            f"{where}: metrics: {name!r} is the name of a column that a metric makes",
            hint="give the file's column another name",
            path=where,
        )
    return experiment
