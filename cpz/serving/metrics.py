"""What a server counts, in the Prometheus text format at /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Family:
    """A counter whose children are looked up once, since looking up labels is not free."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._children: dict[tuple[str, ...], Counter] = {}

    def count(self, *labels: str, n: int = 1) -> None:
        """Add n to the child with these labels."""
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels)
        child.inc(n)


class Metrics:
    """One server's registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Family(
            Counter("cpz_requests", "Answers.", ["route", "status"], registry=registry)
        )
        self._decisions = Family(
            Counter(
                "cpz_decisions",
                "Decisions by version, placement and reason.",
                ["version", "placement", "reason"],
                registry=registry,
            )
        )
        self._occurrences = Family(
            Counter(
                "cpz_occurrences",
                "Events, feedback, fallbacks, repeats and cache hits.",
                ["what"],
                registry=registry,
            )
        )
        self._seconds = Histogram(
            "cpz_request_seconds",
            "Time from the headers of a request to its answer.",
            ["route"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._routes: dict[str, Histogram] = {}
        self._waiting = Gauge(
            "cpz_log_lines_waiting", "Log lines that the disk refused.", registry=registry
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer and its time."""
        self._requests.count(route, str(status))
        latency = self._routes.get(route)
        if latency is None:
            latency = self._routes[route] = self._seconds.labels(route)
        latency.observe(seconds)

    def decided(self, version: str, placement: str, reason: str) -> None:
        """Count one decision."""
        self._decisions.count(version, placement, reason)

    def count(self, what: str, n: int = 1) -> None:
        """Count an occurrence."""
        self._occurrences.count(what, n=n)

    def log_waits(self, n_lines: int) -> None:
        """Show how many lines the disk has refused."""
        self._waiting.set(n_lines)

    def value(self, what: str) -> int:
        """Return an occurrence's count."""
        found = self.registry.get_sample_value("cpz_occurrences_total", {"what": what})
        return int(found or 0)

    def text(self) -> bytes:
        """Return the exposition."""
        return generate_latest(self.registry)
