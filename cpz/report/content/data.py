"""What imports and checks of a dataset say."""

from cpz.data.check import CheckReport
from cpz.data.losses import Losses
from cpz.report.content.findings import marked
from cpz.report.format import COUNT, format_value
from cpz.report.results.data import ImportResult
from cpz.report.values import Block, Text, table, tally


def import_blocks(result: ImportResult) -> tuple[Block, ...]:
    """Say what was read, used and set aside."""
    counts: dict[str, float | None] = {"read": result.rows_read, "used": result.rows_used}
    counts |= {f"  {name}": rows for name, rows in result.rows.items()}
    size = tally(f"dataset {result.dataset}", ("what", "rows"), counts)
    if not result.rejected:
        return (size,)
    aside = (
        (item.reason, format_value(item.count, COUNT), format_value(item.first_row, COUNT))
        for item in result.rejected
    )
    return (size, table("rows set aside", ("reason", "rows", "first row"), aside))


def losses_warnings(losses: Losses | None) -> tuple[str, ...]:
    """Return the warning of an import that lost more rows than pass unnoticed."""
    return (losses.sentence(),) if losses is not None and losses.is_notable else ()


def check_blocks(report: CheckReport) -> tuple[Block, ...]:
    """Say what was found, or that nothing was."""
    if not report.findings:
        total = sum(report.rows.values())
        return (Text(f"{report.dataset}: {total} rows in {len(report.rows)} tables, no finding"),)
    rows = ((marked(found.status), found.rule, found.message) for found in report.findings)
    caption = f"findings in {report.dataset}"
    return (table(caption, ("status", "rule", "finding"), rows, n_labels=3),)
