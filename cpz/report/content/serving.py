"""What a scoring server says: what it did, would answer, published or erased."""

from cpz.report.format import PLAIN, format_value
from cpz.report.values import Block, Mark, Table, Text, table, tally
from cpz.serving.messages import Recommendation
from cpz.serving.outcomes import Served, ServeResult

_COUNTED = ("n_lines", "n_events", "n_repeated", "n_context_only", "n_unlogged")


def serving_blocks(result: ServeResult) -> tuple[Block, ...]:
    """Say what a server did, replied to `--once`, published or erased."""
    if result.forgotten is not None:
        return (Text("erased" if result.forgotten else "nothing was known of this shopper"),)
    canary = "" if result.canary_version is None else f", canary {result.canary_version}"
    title = f"model {result.model} {result.version}{canary}, policy {result.policy}"
    blocks: list[Block] = [Text((Mark(title),))]
    if result.served is not None:
        blocks.append(_served(result.served))
    blocks += [_reply(reply) for reply in result.replies or ()]
    if result.published is not None:
        caption = f"dataset {result.published.dataset}"
        blocks.append(tally(caption, ("table", "rows"), result.published.rows))
    return tuple(blocks)


def _served(served: Served) -> Table:
    counts = {name[2:].replace("_", " "): getattr(served, name) for name in _COUNTED}
    return tally("served", ("what", "number"), counts)


def _reply(reply: Recommendation) -> Table:
    rows = (
        (
            item.placement,
            option.option,
            format_value(option.score, PLAIN),
            format_value(option.propensity, PLAIN),
            "yes" if option.option == item.action else "",
        )
        for item in reply.placements
        for option in item.options
    )
    columns = ("placement", "option", "score", "propensity", "chosen")
    return table(f"request {reply.request_id}", columns, rows, n_labels=2)
