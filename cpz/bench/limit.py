"""`--fail-on 'train>1.2'`: a limit on one figure, relative to its baseline."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cpz.bench.results import BenchResult
from cpz.data.errors import UsageError, nearest

PEAK = "_peak_mb"

_FORM = re.compile(r"^\s*([A-Za-z0-9_]+)\s*([<>])\s*([0-9]+(?:\.[0-9]+)?)\s*$")


@dataclass(frozen=True, slots=True)
class Limit:
    """The run fails where a figure, divided by the baseline's, is above (or below) the value.

    >>> limit = read_limit("train>1.2", ["train"])
    >>> limit.fails(1.2), limit.fails(1.21)
    (False, True)
    """

    figure: str
    comparison: Literal[">", "<"]
    value: float

    @property
    def text(self) -> str:
        """Return the limit as one writes it."""
        return f"{self.figure}{self.comparison}{self.value:g}"

    def fails(self, found: float) -> bool:
        """Return whether a relative figure breaks the limit."""
        return found > self.value if self.comparison == ">" else found < self.value


def read_limit(text: str, workloads: Iterable[str]) -> Limit:
    """Read a limit on `WORKLOAD` (time) or `WORKLOAD_peak_mb` (memory).

    Raises:
        UsageError: not of that form, or no such figure; the nearest one is named.
    """
    match = _FORM.match(text)
    if match is None:
        raise UsageError(
            f"--fail-on {text!r}: expected FIGURE>NUMBER or FIGURE<NUMBER",
            hint="for example --fail-on 'train>1.2'",
        )
    figure, comparison, value = match.groups()
    known = [name + suffix for name in workloads for suffix in ("", PEAK)]
    if figure not in known:
        hint = nearest(figure, known)
        raise UsageError(f"--fail-on: there is no figure {figure!r}", hint=hint)
    return Limit(figure, ">" if comparison == ">" else "<", float(value))


def relative_figure(result: BenchResult, name: str) -> float:
    """Return a figure of a compared result, divided by the baseline's."""
    figure = result.figures[name.removesuffix(PEAK)]
    compared = figure.memory if name.endswith(PEAK) else figure.time
    if compared is None:
        raise ValueError(f"{name}: the result was not compared with a baseline")
    return compared.relative
