"""The result of a load test. Imports nothing of the extra, so that every command may know it."""

from dataclasses import dataclass
from typing import Literal

from cpz.serving.load.limit import Limit

#: The share of requests beyond each quantile.
_TAILS = {
    "p50_ms": 0.5,
    "p75_ms": 0.25,
    "p90_ms": 0.1,
    "p95_ms": 0.05,
    "p99_ms": 0.01,
    "p999_ms": 0.001,
    "max_ms": 0.0,
}


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of the successful answers in milliseconds, to three digits; null where none came.

    Attributes:
        n: answers measured.
        mean_ms: their mean.
        p50_ms: the median.
        p75_ms: 75 %.
        p90_ms: 90 %.
        p95_ms: 95 %.
        p99_ms: 99 %.
        p999_ms: 99.9 %; with fewer than 1,000 answers it is the maximum.
        max_ms: the largest.
    """

    n: int
    mean_ms: float | None
    p50_ms: float | None
    p75_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the test, by intended send time."""

    second: int
    n_ok: int
    n_errors: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load test found.

    Attributes:
        url: the server.
        mode: "open" counts latency from the intended send time, "closed" from the actual one.
        asked_rate_per_s: mean arrivals asked for; null in a closed loop.
        achieved_rate_per_s: successful answers a second, from the start to the last one.
        duration_s: as asked.
        connections: as used.
        n_requests: requests that ended, well or not.
        n_ok: answers with a status from 200 to 299.
        n_errors: everything else.
        error_share: n_errors / n_requests, null without requests.
        errors: by kind.
        latency: from the intended send time to the end of the answer.
        service_time: from the actual send time; the difference is waiting for a connection.
        scheduler_lag: how late this generator itself was; where it is not far below the latency,
            the generator was the bottleneck.
        seconds: the time line.
        hdr_histogram: latencies in microseconds, HdrHistogram V2 compressed, base64.
    """

    url: str
    mode: Literal["open", "closed"]
    asked_rate_per_s: float | None
    achieved_rate_per_s: float
    duration_s: float
    connections: int
    n_requests: int
    n_ok: int
    n_errors: int
    error_share: float | None
    errors: dict[str, int]
    latency: Latency
    service_time: Latency
    scheduler_lag: Latency
    seconds: tuple[Second, ...]
    hdr_histogram: str

    def figure(self, name: str) -> float | None:
        """Return a figure that a limit may name.

        A request that failed is slower than any limit: where so many failed that they reach into a
        quantile, it has no value. Otherwise a server could pass by refusing.
        """
        if (self.error_share or 0.0) > _TAILS.get(name, 1.0):
            return None
        found = getattr(self.latency if name.endswith("_ms") else self, name)
        return None if found is None else float(found)

    def breaks(self, limit: Limit) -> bool:
        """Return whether a limit is broken; one on a figure without a value is."""
        return limit.fails(self.figure(limit.figure))
