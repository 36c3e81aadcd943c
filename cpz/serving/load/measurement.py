"""What a load test has seen: latencies in an HdrHistogram, errors by kind, and a time line."""

from collections import Counter

from hdrh.histogram import HdrHistogram

from cpz.serving.load.results import Latency, Second

LOWEST_US, HIGHEST_US, DIGITS = 1, 600_000_000, 3
NOTHING = Latency(0, None, None, None, None, None, None, None, None)
QUANTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)


class Recorder:
    """Takes latencies in microseconds; memory does not grow with their number."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)

    def add(self, seconds: float) -> None:
        """Record one latency."""
        self._histogram.record_value(min(max(round(seconds * 1e6), LOWEST_US), HIGHEST_US))

    def latency(self) -> Latency:
        """Return the quantiles."""
        n = int(self._histogram.get_total_count())
        if not n:
            return NOTHING
        mean = float(self._histogram.get_mean_value()) / 1000.0
        p50, p75, p90, p95, p99, p999 = (self._ms(quantile) for quantile in QUANTILES)
        largest = float(self._histogram.get_max_value()) / 1000.0
        return Latency(n, round(mean, 4), p50, p75, p90, p95, p99, p999, largest)

    def encoded(self) -> str:
        """Return the histogram in HdrHistogram's own compressed form (V2, base64)."""
        return bytes(self._histogram.encode()).decode("ascii")

    def _ms(self, quantile: float) -> float:
        return float(self._histogram.get_value_at_percentile(quantile)) / 1000.0


class Measurement:
    """Collects the ends of requests."""

    def __init__(self) -> None:
        self.latency = Recorder()
        self.service = Recorder()
        self.lag = Recorder()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.last_ok_s = 0.0
        self._seconds: dict[int, tuple[Recorder, Counter[str]]] = {}

    @property
    def n_done(self) -> int:
        """Return how many requests have ended."""
        return self.statuses.total() + self.errors.total()

    def ended(
        self, intended_s: float, sent_s: float, now_s: float, status: int, error: str
    ) -> None:
        """Record the end of one request.

        Args:
            intended_s: when it should have been sent; latency counts from here.
            sent_s: when it was.
            now_s: when it ended.
            status: the HTTP status, 0 without an answer.
            error: the kind of error without an answer.
        """
        recorder, counts = self._second(int(intended_s))
        if status:
            self.statuses[status] += 1
        else:
            self.errors[error] += 1
        if 200 <= status < 300:
            self.latency.add(now_s - intended_s)
            self.service.add(now_s - sent_s)
            recorder.add(now_s - intended_s)
            self.last_ok_s = now_s
            counts["ok"] += 1
        else:
            counts["error"] += 1

    def seconds(self) -> tuple[Second, ...]:
        """Return the time line."""
        return tuple(
            Second(
                second,
                counts["ok"],
                counts["error"],
                recorder.latency().p50_ms,
                recorder.latency().p99_ms,
            )
            for second, (recorder, counts) in sorted(self._seconds.items())
        )

    def errors_by_kind(self) -> dict[str, int]:
        """Return everything that was not a 2xx answer: `http_429`, `connect_refused`, ..."""
        refused = {f"http_{s}": n for s, n in self.statuses.items() if not 200 <= s < 300}
        return dict(sorted((refused | dict(self.errors)).items()))

    def _second(self, second: int) -> tuple[Recorder, Counter[str]]:
        found = self._seconds.get(second)
        if found is None:
            found = self._seconds[second] = (Recorder(), Counter())
        return found
