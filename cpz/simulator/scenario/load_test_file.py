"""The latencies of a load test as a quantile function: `latency.from_load` in a scenario.

`cpz load` states quantiles and the mean of the successful answers. The delay of a decision is then
drawn from the distribution whose quantile function is linear between them. Below the median a load
test says nothing but the mean, so the function begins at the value that gives that mean, within
0 and the median: q(0) = 4 (mean - m) - p50, where m is the share of the mean from above the median.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cpz.data.errors import ConfigError

FROM_LOAD = "from_load"
_HINT = "expected what cpz load --json prints, or the result.json of its run"

#: Which figure is the quantile of which probability.
_KNOTS = {
    "p50_ms": 0.5,
    "p75_ms": 0.75,
    "p90_ms": 0.9,
    "p95_ms": 0.95,
    "p99_ms": 0.99,
    "p999_ms": 0.999,
    "max_ms": 1.0,
}

_Figure = Annotated[float, Meta(ge=0)]


class _Latency(msgspec.Struct):
    """Quantiles of the successful answers, from the intended send time on, in ms."""

    mean_ms: _Figure | None
    p50_ms: _Figure | None
    p75_ms: _Figure | None
    p90_ms: _Figure | None
    p95_ms: _Figure | None
    p99_ms: _Figure | None
    p999_ms: _Figure | None
    max_ms: _Figure | None


class _Result(msgspec.Struct):
    latency: _Latency


class _Document(msgspec.Struct):
    result: _Result


def with_load_test(values: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return a scenario's values with `latency.from_load` replaced by the quantiles in that file.

    The measured delay takes the place of `delay_ms` and `delay_sd`, unless the same values set
    them: then it comes on top.

    Args:
        values: one file's or one override's values.
        folder: where a relative path begins.

    Raises:
        ConfigError: no path, no such file, not a load test's result, or no answer in it.
    """
    latency = values.get("latency")
    if not (isinstance(latency, dict) and FROM_LOAD in latency):
        return values
    path = latency[FROM_LOAD]
    if not isinstance(path, str):
        raise ConfigError(f"latency.from_load: expected a file's path, got {path!r}")
    own = {key: value for key, value in latency.items() if key != FROM_LOAD}
    measured = {"delay_ms": 0.0, "delay_sd": 0.0, "quantiles": read_quantiles(folder / path)}
    return {**values, "latency": measured | own}


def read_quantiles(path: Path) -> list[list[float]]:
    """Return pairs (probability, ms) from a load test's result.

    Raises:
        ConfigError: it cannot be read, is no load test's result, or nothing was answered.
    """
    where = f"latency.from_load {str(path)!r}"
    try:
        content = path.read_bytes()
        found = _latency_of(content)
    except OSError as error:
        message = f"{where}: cannot be read ({error.strerror})"
        raise ConfigError(message, hint=_HINT, path=str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{where}: not a load test's result ({error})"
        raise ConfigError(message, hint=_HINT, path=str(path)) from error
    values = [getattr(found, name) for name in _KNOTS]
    known = [value for value in values if value is not None]
    if found.mean_ms is None or len(known) < len(values):
        hint = "run cpz load against a server that answers"
        raise ConfigError(f"{where}: no request was answered", hint=hint, path=str(path))
    if sorted(known) != known:
        message = f"{where}: the quantiles fall, {known} ms"
        raise ConfigError(message, hint=_HINT, path=str(path))
    return _from_zero(known, found.mean_ms)


def _latency_of(content: bytes) -> _Latency:
    """Return the latencies of the printed document, or of the result alone."""
    keys = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    if "result" in keys:
        return msgspec.json.decode(content, type=_Document).result.latency
    return msgspec.json.decode(content, type=_Result).latency


def _from_zero(known: list[float], mean: float) -> list[list[float]]:
    """Return the knots from 0 to 1; the first one's value gives the mean, if any can."""
    knots = list(zip(_KNOTS.values(), known, strict=True))
    above = sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(knots))
    first = min(max(4.0 * (mean - above) - known[0], 0.0), known[0])
    return [[0.0, first], *([probability, value] for probability, value in knots)]
