"""What a load test says: how fast the server answers, how sure that is, and what failed."""

from collections.abc import Sequence

from cpz.report.chart_values import BarChart, BarSeries, Line, LineChart
from cpz.report.format import COUNT, MILLISECONDS, PERCENT, PLAIN, format_value
from cpz.report.gate import Gate
from cpz.report.values import Block, KeyFigure, Note, Report, Section, Status, Table, table, tally
from cpz.serving.load.results import Latency, LoadResult

#: A time line has at most so many points; longer tests show the worst second of each stretch.
MAX_POINTS = 120

_QUANTILES = (
    ("median", "p50_ms"),
    ("75 %", "p75_ms"),
    ("90 %", "p90_ms"),
    ("95 %", "p95_ms"),
    ("99 %", "p99_ms"),
    ("99.9 %", "p999_ms"),
    ("largest", "max_ms"),
)


def load_blocks(result: LoadResult) -> tuple[Block, ...]:
    """Say rates, errors and quantiles."""
    rates = {
        "achieved, requests/s": format_value(result.achieved_rate_per_s, PLAIN, 1),
        "answered well": format_value(result.n_ok, COUNT),
        "failed": format_value(result.n_errors, COUNT),
    }
    if result.asked_rate_per_s is not None:
        asked = format_value(result.asked_rate_per_s, PLAIN, 1)
        rates = {"asked, requests/s": asked} | rates
    rates |= {f"  {kind}": format_value(n, COUNT) for kind, n in result.errors.items()}
    caption = f"{result.mode} loop against {result.url}"
    return (table(caption, ("what", "value"), rates.items()), _quantiles(result))


def load_report(
    result: LoadResult, gates: Sequence[Gate], config_toml: str, command: str
) -> Report:
    """Say all of a load test."""
    rate = "" if result.asked_rate_per_s is None else f", {result.asked_rate_per_s:g} requests/s"
    return Report(
        title="How fast the server answers",
        subtitle=f"{result.mode} loop{rate}, {result.duration_s:g} s, "
        f"{result.connections} connections, {result.url}",
        summary=_summary(result),
        trust=_trust(result, gates),
        sections=(_latency(result), _time_line(result), _errors(result)),
        command=command,
        config_toml=config_toml,
    )


def _summary(result: LoadResult) -> tuple[KeyFigure, ...]:
    since = "from the intended send time" if result.mode == "open" else "from the send time"
    return (
        KeyFigure("Median latency", result.latency.p50_ms, None, MILLISECONDS, since),
        KeyFigure("99 % within", result.latency.p99_ms, None, MILLISECONDS, since),
        KeyFigure("Achieved rate", round(result.achieved_rate_per_s, 1), None, PLAIN, "requests/s"),
        KeyFigure("Failed", result.error_share, None, PERCENT, f"{result.n_errors} requests"),
    )


def _trust(result: LoadResult, gates: Sequence[Gate]) -> tuple[Note, ...]:
    words = {"pass": Status.OK, "fail": Status.STOP, "no data": Status.CAUTION}
    notes = [
        Note(words[gate.status], f"limit `{gate.id}`: found {_figure(gate.value)}")
        for gate in gates
    ]
    if result.mode == "closed":
        notes.append(
            Note(
                Status.CAUTION,
                "In a closed loop a slow server is asked less often, so these latencies leave out "
                "the time in which shoppers would have waited. Use an open loop to judge latency.",
            )
        )
    lag = format_value(result.scheduler_lag.p99_ms, MILLISECONDS)
    notes.append(
        Note(
            Status.INFO,
            f"The generator sent 99 % of its requests within {lag} of their time; it ran on "
            "whatever else this machine was doing, perhaps the server itself.",
        )
    )
    return tuple(notes)


def _figure(value: float | str | None) -> str:
    if value is None:
        return "no value, for too many requests failed"
    return value if isinstance(value, str) else format_value(value, PLAIN)


def _latency(result: LoadResult) -> Section:
    chart = BarChart(
        title="Latency by quantile",
        description="The time within which that share of the requests was answered.",
        categories=tuple(label for label, _ in _QUANTILES),
        series=(BarSeries("latency", _values(result.latency)),),
        unit=MILLISECONDS,
    )
    return Section("latency", "Latency", "", (chart, _quantiles(result)))


def _quantiles(result: LoadResult) -> Table:
    measured = (result.latency, result.service_time, result.scheduler_lag)
    rows = (
        (label, *(format_value(getattr(item, name), MILLISECONDS) for item in measured))
        for label, name in _QUANTILES
    )
    columns = ("quantile", "latency", "service time", "scheduler lag")
    note = (
        "Latency counts from the intended send time, service time from the actual one; "
        "their difference is waiting for a connection. HdrHistogram, three digits."
    )
    return table("milliseconds", columns, rows, note=note)


def _values(latency: Latency) -> tuple[float | None, ...]:
    return tuple(getattr(latency, name) for _, name in _QUANTILES)


def _time_line(result: LoadResult) -> Section:
    step = -(-len(result.seconds) // MAX_POINTS) or 1
    stretches = [result.seconds[i : i + step] for i in range(0, len(result.seconds), step)]
    lines = tuple(
        Line(label, tuple(_worst([getattr(s, name) for s in part]) for part in stretches))
        for label, name in (("median", "p50_ms"), ("99 %", "p99_ms"))
    )
    if len(stretches) < 2:
        return Section("time", "Over time", "", ())
    chart = LineChart(
        title="Latency over time",
        description="By the second in which a request was meant to be sent.",
        x_label="second",
        x=tuple(float(part[0].second) for part in stretches),
        lines=lines,
        unit=MILLISECONDS,
    )
    return Section("time", "Over time", "", (chart,))


def _worst(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _errors(result: LoadResult) -> Section:
    if not result.errors:
        return Section("errors", "Errors", "", (Note(Status.OK, "No request failed."),))
    caption = "requests without a successful answer"
    found = tally(caption, ("kind", "requests"), result.errors)
    return Section("errors", "Errors", "", (found,))
