"""The regression rule: when is a ratio slower than its baseline, and when can nobody tell?

Both medians come with intervals of level 0.95, and between processes that run the same code the
true median itself moves (memory layout, caches shared with neighbours), by up to 10 % on a machine
that others keep busy. No interval of one process knows of that. So a figure is slower only where

    lower bound / upper bound of the baseline  >  margin,

the interval for the noise within a process, the margin for the moves between processes. What does
not look well is measured again in a new process, at most `MAX_LOOKS` times in all, and judged on
all pairs together: one bad process raises no alarm, and what lasts is seen in all of them.

Conversely a true slowdown s is called where s * (lower / median) / (upper / median of the
baseline) > margin, so intervals of relative half-widths a and b show every slowdown above
margin * (1 + b) / (1 - a): 1.21 with both at 4 %. This number is reported as `detects`; where it is
above `WANTED` the verdict is "too noisy", never "ok". On another machine than the baseline's the
margin is wider, and what must be seen grows by as much. Another cpz that is measured in turn is on
this machine, so there the narrow margin holds.
"""

from dataclasses import replace

from cpz.bench.baseline import BaselineFigure
from cpz.bench.results import Figure, MemoryComparison, Regression, TimeComparison

#: On the machine of the baseline; the largest lower bound in 20 clean runs was 1.05.
MARGIN = 1.12
#: On another machine a ratio moves too, with caches, vector units and versions of libraries.
OTHER_MACHINE_MARGIN = 1.50
#: How often a workload is measured before an alarm.
MAX_LOOKS = 3
#: The slowdown that must be caught.
WANTED = 1.30
#: Peak memory repeats within a few MB: a share for what grows with the work, a constant for pages.
MEMORY_SHARE = 0.15
MEMORY_MB = 16.0


def compare(figure: Figure, base: BaselineFigure, margin: float) -> Figure:
    """Return the figure with its comparisons."""
    return replace(
        figure,
        time=compare_time(figure, base, margin),
        memory=compare_memory(figure.peak_mb, base.peak_mb),
    )


def margin_between(differences: tuple[str, ...]) -> float:
    """Return the margin, given what differs between this machine and the baseline's."""
    return OTHER_MACHINE_MARGIN if differences else MARGIN


def is_settled(figure: Figure) -> bool:
    """Return whether a compared figure says all is well; otherwise it is worth a second look."""
    times, memory = figure.time, figure.memory
    is_slow = times is not None and times.verdict in (Regression.SLOWER, Regression.TOO_NOISY)
    return not is_slow and (memory is None or memory.verdict is not Regression.LARGER)


def compare_time(figure: Figure, base: BaselineFigure, margin: float = MARGIN) -> TimeComparison:
    """Compare a median ratio with the baseline's by the rule above."""
    relative = figure.ratio / base.ratio
    low, high = figure.ratio_low / base.ratio_high, figure.ratio_high / base.ratio_low
    detects = margin * relative / low
    wanted = WANTED * margin / MARGIN
    if low > margin:
        verdict = Regression.SLOWER
        reason = f"{relative:.2f} times the baseline, at least {low:.2f}, above {margin:.2f}"
    elif high < 1.0 / margin:
        verdict = Regression.FASTER
        reason = f"{relative:.2f} times the baseline, at most {high:.2f}: save a new baseline"
    elif detects > wanted:
        verdict = Regression.TOO_NOISY
        reason = f"only a slowdown above {detects:.2f} would have shown; run it again"
    else:
        verdict = Regression.OK
        reason = f"{relative:.2f} times the baseline; a slowdown above {detects:.2f} would show"
    return TimeComparison(relative, low, high, margin, detects, verdict, reason)


def compare_memory(peak_mb: float, baseline_mb: float) -> MemoryComparison:
    """Compare a peak with the baseline's.

    >>> compare_memory(140.0, 100.0).limit_mb, compare_memory(140.0, 100.0).verdict.value
    (131.0, 'larger')
    """
    slack = MEMORY_SHARE * baseline_mb + MEMORY_MB
    limit = baseline_mb + slack
    verdict = Regression.OK
    if peak_mb > limit:
        verdict = Regression.LARGER
    elif peak_mb < baseline_mb - slack:
        verdict = Regression.SMALLER
    reason = f"{peak_mb:.0f} MB, baseline {baseline_mb:.0f} MB, limit {limit:.0f} MB"
    return MemoryComparison(peak_mb / baseline_mb, baseline_mb, limit, verdict, reason)
