"""An experiment's one scan: the wishes of its metrics, columns that they make included."""

from dataclasses import replace

from cpz.evaluation.ab.arm import needs
from cpz.evaluation.ab.moments import Collected, Monomial, collect
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import UnitTable


def scan(units: UnitTable, experiment: Experiment) -> Collected:
    """Return all sums that the metrics need, by variant and look."""
    made = {name: one.make(units.columns[one.source]) for name, one in experiment.made.items()}
    wanted: set[Monomial] = set()
    for metric in experiment.metrics.values():
        wanted |= needs(metric.columns)
    return collect(replace(units, columns={**units.columns, **made}), wanted)
