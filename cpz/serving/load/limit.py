"""`--fail-on 'p99_ms>25'`: a limit on one figure of a load test, or of a benchmark."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from cpz.data.errors import UsageError, nearest

Comparison = Literal[">", "<"]

#: What a limit of a load test may name.
FIGURES = (
    "p50_ms",
    "p75_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "mean_ms",
    "achieved_rate_per_s",
    "error_share",
    "n_errors",
)

_FORM = re.compile(r"^\s*([A-Za-z0-9_]+)\s*([<>])\s*([0-9]+(?:\.[0-9]+)?)\s*$")


@dataclass(frozen=True, slots=True)
class Limit:
    """The test fails when figure > value, or figure < value.

    >>> limit = read_limit("p99_ms>25")
    >>> limit.fails(25.0), limit.fails(25.1), limit.fails(None)
    (False, True, True)
    """

    figure: str
    comparison: Comparison
    value: float

    @property
    def text(self) -> str:
        """Return the limit as one writes it."""
        return f"{self.figure}{self.comparison}{self.value:g}"

    def fails(self, found: float | None) -> bool:
        """Return whether a figure breaks the limit; a figure that is missing does."""
        if found is None:
            return True
        return found > self.value if self.comparison == ">" else found < self.value


def read_limit(text: str, figures: Collection[str] = FIGURES, example: str = "p99_ms>25") -> Limit:
    """Read a limit such as `p99_ms>25`.

    Args:
        text: what was asked.
        figures: what it may name.
        example: a limit on one of these, for the hint.

    Raises:
        UsageError: not of that form, or no such figure; the nearest one is named.
    """
    match = _FORM.match(text)
    if match is None:
        raise UsageError(
            f"--fail-on {text!r}: expected FIGURE>NUMBER or FIGURE<NUMBER",
            hint=f"for example --fail-on '{example}'",
        )
    figure, comparison, value = match.groups()
    if figure not in figures:
        hint = nearest(figure, figures)
        raise UsageError(f"--fail-on: there is no figure {figure!r}", hint=hint)
    return Limit(figure, ">" if comparison == ">" else "<", float(value))
