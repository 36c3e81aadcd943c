"""All kinds of metrics, in one tuple. To add one: a file with its struct, and a line here."""

from typing import TYPE_CHECKING, Union

from cpz.data.errors import UsageError
from cpz.ingest.experiments.kinds.mean import MeanMetric
from cpz.ingest.experiments.kinds.metric import Metric
from cpz.ingest.experiments.kinds.proportion import ProportionMetric
from cpz.ingest.experiments.kinds.ratio import RatioMetric
from cpz.ingest.experiments.kinds.winsorised_mean import WinsorisedMeanMetric

KINDS: tuple[type[Metric], ...] = (
    MeanMetric,
    ProportionMetric,
    RatioMetric,
    WinsorisedMeanMetric,
)

if TYPE_CHECKING:
    AnyMetric = Metric
else:
    #: What a metrics file may hold: msgspec tells the kinds apart by the key `kind`.
    AnyMetric = Union[KINDS]  # noqa: UP007 - the members are only known as a tuple


def names_by_hand() -> str:
    """Return the kinds that a mean and a spread plan, as a sentence lists them.

    >>> names_by_hand()
    'mean, proportion or ratio'
    """
    *others, last = (kind.name() for kind in KINDS if not kind.needs_past)
    return f"{', '.join(others)} or {last}"


def kind_by_hand(name: str) -> Metric:
    """Return a metric of a kind that is planned by hand.

    Raises:
        UsageError: no such kind, or one that needs a past file.
    """
    for kind in KINDS:
        if kind.name() == name:
            return kind.by_hand()
    raise UsageError(f"kind: expected {names_by_hand()}, got {name!r}")
