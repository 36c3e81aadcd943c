"""Rich tables of results: one function per command, numbers written as in the report."""

from collections.abc import Iterable

from rich.console import Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cpz.data.check import CheckReport
from cpz.data.losses import Losses
from cpz.evaluation.ope.findings import Status
from cpz.report.format import (
    COUNT,
    MILLISECONDS,
    P_VALUE,
    PERCENT,
    PLAIN,
    POINTS,
    Unit,
    format_interval,
    format_value,
    interval_digits,
    signed,
)
from cpz.report.results.data import ImportResult
from cpz.report.results.demo import DemoResult
from cpz.report.results.evaluate import EvaluateResult, PlacementResult, Predictive
from cpz.report.results.simulate import SimulateResult
from cpz.report.results.train import TrainResult
from cpz.report.terminal.grid import Grid
from cpz.simulator.long_run import LongRunEffect
from cpz.simulator.summary.dataset import Summary

COLOURS = {"unchecked": "dim", "green": "green", "amber": "yellow", "red": "red"}


def grid(heading: str, *columns: str, first: int = 1) -> Table:
    """Return an empty table whose first `first` columns are words and the others numbers.

    In a narrow terminal cells break: two names that were cut short could not be told apart.
    """
    table = Grid(heading)
    for index, column in enumerate(columns):
        justify: JustifyMethod = "left" if index < first else "right"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def styled(words: object, style: str | None) -> Text:
    """Return a cell in a colour or weight."""
    return Text(str(words), style=style or "")


def spaced(parts: Iterable[RenderableType]) -> tuple[RenderableType, ...]:
    """Put a blank line under each part."""
    return tuple(Padding(part, (0, 0, 1, 0)) for part in parts)


def simulate_tables(result: SimulateResult) -> tuple[RenderableType, ...]:
    """Return sizes, funnel, conversion by group, methods, propensity ranges and faults."""
    if result.summary is None:
        return (Text(f"would simulate {result.sessions} sessions of {result.scenario!r}"),)
    found = result.summary
    size = grid(f"dataset {result.dataset}", "table", "rows")
    for name, rows in result.rows.items():
        size.add_row(name, format_value(rows, COUNT))
    funnel = grid("funnel", "step", "sessions", "share")
    for step in found.funnel:
        funnel.add_row(
            step.step, format_value(step.n_sessions, COUNT), format_value(step.share, PERCENT)
        )
    bought = format_value(found.n_purchases, COUNT), format_value(found.conversion, PERCENT)
    funnel.add_row("purchase", *bought)
    groups = grid("conversion", "group", "sessions", "converted")
    for group in (*found.by_device, *found.by_country):
        groups.add_row(
            group.name,
            format_value(group.n_sessions, COUNT),
            format_value(group.conversion, PERCENT),
        )
    methods = grid("purchases by method", "method", "share")
    for method in found.methods:
        methods.add_row(method.name, format_value(method.share, PERCENT))
    attempts = grid("what went wrong", "what", "share")
    for what, rate in (
        ("address form came back with mistakes", found.form_error_rate),
        ("payment challenged", found.challenge_rate),
        ("authentication failed", found.authentication_failure_rate),
        ("payment declined", found.decline_rate),
    ):
        attempts.add_row(what, format_value(rate, PERCENT))
    logged = grid("logged propensities", "placement", "decisions", "smallest", "largest")
    for item in found.propensities:
        logged.add_row(
            item.placement,
            format_value(item.n_decisions, COUNT),
            format_value(item.smallest, PLAIN),
            format_value(item.largest, PLAIN),
        )
    parts = (size, funnel, groups, methods, attempts, logged, _faults(found))
    return spaced((*parts, _long_run(result.long_run)) if result.long_run else parts)


def _faults(found: Summary) -> Table:
    """Return how many sessions each planted fault touched."""
    table = grid("planted faults", "fault", "sessions", "share")
    for fault in found.faults:
        count, share = format_value(fault.n_sessions, COUNT), format_value(fault.share, PERCENT)
        table.add_row(fault.name, count, share)
    if not found.faults:
        table.add_row("none", "0", format_value(0.0, PERCENT))
    return table


def _long_run(found: LongRunEffect) -> Table:
    """Return the policy's value at its own visits and at those of the scenario's policy."""
    table = grid("true conversion under --policy", "where", "value", "95 % interval")
    table.add_row("at the visits it shaped", format_value(found.closed_loop_value, PERCENT), "")
    table.add_row(
        "at the visits of the scenario's policy", format_value(found.one_step_value, PERCENT), ""
    )
    table.add_row(
        "long-run effect",
        format_value(found.effect, POINTS),
        format_interval(*found.ci, POINTS),
    )
    return table


def import_tables(result: ImportResult) -> tuple[RenderableType, ...]:
    """Return what was read, used and set aside."""
    size = grid(f"dataset {result.dataset}", "what", "rows")
    size.add_row("read", format_value(result.rows_read, COUNT))
    size.add_row("used", format_value(result.rows_used, COUNT))
    for table, rows in result.rows.items():
        size.add_row(f"  {table}", format_value(rows, COUNT))
    if not result.rejected:
        return spaced((size,))
    aside = grid("rows set aside", "reason", "rows", "first row")
    for item in result.rejected:
        aside.add_row(
            item.reason, format_value(item.count, COUNT), format_value(item.first_row, COUNT)
        )
    return spaced((size, aside))


def losses_warnings(losses: Losses | None) -> tuple[str, ...]:
    """Return the warning of an import that lost more rows than pass unnoticed."""
    return (losses.sentence(),) if losses is not None and losses.is_notable else ()


def check_tables(report: CheckReport) -> tuple[RenderableType, ...]:
    """Return the findings, or that there are none."""
    if not report.findings:
        total = sum(report.rows.values())
        return (Text(f"{report.dataset}: {total} rows in {len(report.rows)} tables, no finding"),)
    table = grid(f"findings in {report.dataset}", "status", "rule", "finding", first=3)
    for finding in report.findings:
        colour = COLOURS[finding.status]
        table.add_row(styled(finding.status, colour), finding.rule, finding.message)
    return spaced((table,))


LABELS = {"funnel": "funnel labels", "upstream": "upstream labels", "reward": "rewards"}


def train_tables(result: TrainResult) -> tuple[RenderableType, ...]:
    """Return one line per placement."""
    table = grid(
        " ".join(word for word in ("model", result.model, result.version) if word),
        "placement",
        "options",
        "trees",
        "trained on",
        "held out",
        "calibration slope",
        "fitted to",
    )
    for name, part in result.placements.items():
        table.add_row(
            name or "sessions",
            format_value(len(part.options), COUNT),
            format_value(part.n_trees, COUNT),
            format_value(part.summary.n_train, COUNT),
            format_value(part.summary.n_test, COUNT),
            format_value(part.summary.calibration.slope, PLAIN),
            LABELS[part.summary.labels],
        )
    return spaced((table,))


def evaluate_tables(result: EvaluateResult, unit: Unit) -> tuple[RenderableType, ...]:
    """Return metrics, then values, policies, audit and headline for each placement."""
    parts: list[RenderableType] = []
    if result.predictive:
        parts.append(_metrics(result.predictive))
    for placement in result.placements.values():
        parts += placement_tables(placement, unit)
    if not result.placements:
        parts.append(Text(result.headline_reason))
    return spaced(parts)


def placement_tables(result: PlacementResult, unit: Unit) -> list[RenderableType]:
    """Return the tables of one placement's evaluation."""
    title = f"{result.placement}: value of policy {result.policy}"
    table = grid(
        title, "estimator", "value", "95 % interval", "uplift", "95 % interval", "p", "ess"
    )
    for name, value in result.policy_value.items():
        uplift = result.uplift[name]
        digits = interval_digits(*value.ci, unit)
        table.add_row(
            name,
            format_value(value.estimate, unit, digits),
            format_interval(*value.ci, unit),
            format_value(uplift.estimate, signed(unit), interval_digits(*uplift.ci, signed(unit))),
            format_interval(*uplift.ci, signed(unit)),
            format_value(uplift.p_value, P_VALUE),
            format_value(value.ess, COUNT),
        )
    logged = result.logging_value
    digits = interval_digits(*logged.ci, unit)
    table.add_row(
        "as logged",
        format_value(logged.estimate, unit, digits),
        format_interval(*logged.ci, unit),
    )
    if result.truth is not None:
        table.add_row(
            styled("truth", "bold"),
            styled(format_value(result.truth.policy_value, unit, digits), "bold"),
            "exact, same sessions",
            styled(format_value(result.truth.uplift, signed(unit), digits), "bold"),
        )
    parts: list[RenderableType] = [table]
    if result.policies:
        parts.append(_policies(result, unit))
    parts.append(_audit(result))
    return parts


def _policies(result: PlacementResult, unit: Unit) -> Table:
    columns = ["policy", "dr value", "95 % interval", "uplift"]
    table = grid(f"{result.placement}: policies", *columns, *(["truth"] if result.truth else []))
    for name, found in result.policies.items():
        if found is None:
            cells = ["no overlap with the log", "", ""]
        else:
            value, uplift = found.value, found.uplift
            digits = interval_digits(*value.ci, unit)
            cells = [
                format_value(value.estimate, unit, digits),
                format_interval(*value.ci, unit),
                format_value(uplift.estimate, signed(unit), digits),
            ]
        if result.truth is not None:
            cells.append(format_value(result.truth.policies[name], unit, 2))
        table.add_row(name, *cells)
    if result.truth is not None:
        best = format_value(result.truth.best_value, unit, 2)
        table.add_row(styled("best possible", "dim"), "", "", "", best)
    return table


def _audit(result: PlacementResult) -> RenderableType:
    audit = result.audit
    colour = COLOURS[audit.status]
    text = Text.assemble(("audit ", "bold"), (str(audit.status), colour))
    for finding in audit.findings:
        if finding.status is not Status.GREEN:
            mark = (str(finding.status), COLOURS[finding.status])
            text.append("\n  ").append_text(Text.assemble(mark, f" {finding.id}: "))
            text.append(finding.message)
    text.append("\n")
    text.append(result.headline or f"no headline: {result.headline_reason}")
    return text


def _metrics(predictive: dict[str, Predictive]) -> RenderableType:
    columns = ["placement", "rows", "metric", "value", "95 % interval"]
    table = grid("outcome model on held-out rows", *columns)
    for name, study in predictive.items():
        for index, metric in enumerate(study.metrics.values()):
            low, high = metric.ci or (None, None)
            table.add_row(
                (name or "sessions") if index == 0 else "",
                format_value(study.n, COUNT) if index == 0 else "",
                metric.name,
                format_value(metric.estimate, PLAIN, interval_digits(low, high, PLAIN)),
                format_interval(low, high, PLAIN) if metric.ci else "",
            )
    notes = [f"{name or 'sessions'}: {note}" for name, s in predictive.items() for note in s.notes]
    return Group(table, *(Text(note, style="dim") for note in notes))


def demo_tables(result: DemoResult, unit: Unit) -> tuple[RenderableType, ...]:
    """Return one table: per placement what was learned, estimated, and true; two lines each."""
    table = grid(
        "what the learned policies are worth (conversion per session, held-out sessions)",
        "placement",
        "what",
        "as logged",
        "greedy (dr)",
        "95 % interval",
        "truth",
        "audit",
        first=2,
    )
    for name, found in result.evaluate.placements.items():
        value, uplift, truth = found.policy_value["dr"], found.uplift["dr"], found.truth
        digits = interval_digits(*value.ci, unit)
        table.add_row(
            name,
            "value",
            format_value(found.logging_value.estimate, unit, digits),
            format_value(value.estimate, unit, digits),
            format_interval(*value.ci, unit),
            "" if truth is None else format_value(truth.policy_value, unit, digits),
            styled(found.audit.status, COLOURS[found.audit.status]),
        )
        table.add_row(
            "",
            "uplift",
            "",
            format_value(uplift.estimate, signed(unit), digits),
            format_interval(*uplift.ci, signed(unit)),
            "" if truth is None else format_value(truth.uplift, signed(unit), digits),
        )
    sessions = format_value(result.simulate.sessions, COUNT)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    head = Text(f"{sessions} simulated checkout sessions; {took}")
    return spaced((head, table, *_demo_sentences(result)))


def _demo_sentences(result: DemoResult) -> Iterable[Text]:
    """Say in a sentence each what experiment, canary and load check found."""
    rehearsal, canary, load = result.ab, result.canary, result.load
    found = rehearsal.analysis.metrics["conversion"]["treatment"]
    change = found.adjusted.absolute if found.adjusted else found.absolute
    yield Text.assemble(
        ("ab      ", "bold"),
        f"{rehearsal.treatment} against {rehearsal.control}, {rehearsal.shoppers} shoppers: "
        f"conversion {format_value(change.estimate, POINTS)} "
        f"({format_interval(*change.ci, POINTS)}), "
        f"truth {format_value(rehearsal.truth['conversion'].absolute, POINTS)}: {found.verdict}",
    )
    yield Text.assemble(
        ("canary  ", "bold"),
        f"{canary.verdict} after {canary.hours} hours and {canary.sessions} sessions: "
        f"{canary.cause}",
    )
    yield Text.assemble(
        ("load    ", "bold"),
        f"{load.n_ok} of {load.n_requests} requests answered at "
        f"{format_value(load.achieved_rate_per_s, PLAIN, 0)}/s; from the intended send time "
        f"p50 {format_value(load.latency.p50_ms, MILLISECONDS)}, "
        f"p99 {format_value(load.latency.p99_ms, MILLISECONDS)}",
    )
