"""What a server counts, in the Prometheus text format at /metrics.

Counts are plain numbers of the one thread that serves, and become metrics when somebody looks.
Labels come from fixed sets (routes, statuses, versions, placements, reasons), never from a request.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_LE = (*map(str, _BUCKETS_S), "+Inf")

Counts = defaultdict[tuple[str, ...], int]

#: Without all three a canary of another model would count as the champion.
ModelLabels = tuple[str, str, str]
MODEL_LABELS = ("model", "version", "variant")

#: Where no model was asked: events, and requests refused before it was known who would answer.
NO_MODEL: ModelLabels = ("", "", "")


class Durations:
    """A histogram: how many answers took how long."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_LE)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one; a duration equal to a bound is within it."""
        self.counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Metrics:
    """One server's counts, and the collector that shows them.

    Attributes:
        registry: where they are registered.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests: Counts = defaultdict(int)
        self._decisions: Counts = defaultdict(int)
        self._occurrences: Counts = defaultdict(int)
        self._fallbacks: Counts = defaultdict(int)
        self._seconds: defaultdict[tuple[str, ...], Durations] = defaultdict(Durations)
        self._n_waiting = 0
        self._n_dropped = 0
        self.registry.register(self)

    def answered(
        self, route: str, status: int, seconds: float, model: ModelLabels = NO_MODEL
    ) -> None:
        """Count one answer and its time."""
        self._requests[route, _STATUS[status], *model] += 1
        self._seconds[route, *model].add(seconds)

    def unparsed(self, status: int) -> None:
        """Count the refusal of what was no request: no endpoint saw it."""
        self._requests["unparsed", _STATUS[status], *NO_MODEL] += 1

    def decided(self, model: ModelLabels, placement: str, reason: str) -> None:
        """Count one decision."""
        self._decisions[*model, placement, reason] += 1

    def fell_back(self, model: ModelLabels) -> None:
        """Count one request that was answered without the shopper's history."""
        self._fallbacks[model] += 1

    def count(self, what: str, n: int = 1) -> None:
        """Count an occurrence."""
        self._occurrences[what,] += n

    def log_waits(self, n_lines: int, n_dropped: int) -> None:
        """Show how many lines wait because the disk refused them, and how many are lost."""
        self._n_waiting = n_lines
        self._n_dropped = n_dropped

    def value(self, what: str) -> int:
        """Return an occurrence's count."""
        return self._occurrences.get((what,), 0)

    def text(self) -> bytes:
        """Return the exposition."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics (prometheus_client's collector protocol)."""
        yield _counter(
            "cpz_requests", "Answers.", ("route", "status", *MODEL_LABELS), self._requests
        )
        labels = (*MODEL_LABELS, "placement", "reason")
        words = "Decisions by model, placement and reason."
        yield _counter("cpz_decisions", words, labels, self._decisions)
        words = "Requests answered without the shopper's history."
        yield _counter("cpz_fallbacks", words, MODEL_LABELS, self._fallbacks)
        words = "Events, feedback, fallbacks, repeats and refusals."
        yield _counter("cpz_occurrences", words, ("what",), self._occurrences)
        words = "Time from the headers of a request to its answer."
        seconds = HistogramMetricFamily(
            "cpz_request_seconds", words, labels=["route", *MODEL_LABELS]
        )
        for values, found in self._seconds.items():
            buckets = list(zip(_LE, map(float, accumulate(found.counts)), strict=True))
            seconds.add_metric(values, buckets, found.total_s)
        yield seconds
        words = "Log lines that the disk refused."
        yield GaugeMetricFamily("cpz_log_lines_waiting", words, self._n_waiting)
        words = "Log lines lost because too many waited."
        yield CounterMetricFamily("cpz_log_lines_dropped", words, self._n_dropped)


_STATUS = {status: str(status) for status in range(200, 600)}


def _counter(name: str, words: str, labels: tuple[str, ...], counts: Counts) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels)
    for values, n in counts.items():
        family.add_metric(values, n)
    return family
