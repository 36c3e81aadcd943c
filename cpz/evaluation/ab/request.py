"""What an analysis or a plan of an experiment is asked for, apart from the code that answers it."""

from dataclasses import dataclass

from cpz.data.errors import UsageError


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """How to analyse an experiment.

    Attributes:
        split: planned shares, the control first, such as "50/50"; "" for those of the metrics file.
        test: "welch" (Student's t, Welch's degrees of freedom) or "z".
        alpha: family-wise error rate, two-sided.
        sequential: whether the analysis must hold at every look.
        tuned_at: units at which a sequence is tightest.
    """

    split: str = ""
    test: str = "welch"
    alpha: float = 0.05
    sequential: bool = False
    tuned_at: int = 10_000


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What to plan.

    Attributes:
        kind: name of the metric's kind, without a past file.
        baseline: the metric today, without a past file.
        sd: standard deviation per unit of a mean or ratio, without a past file.
        effect: relative effect to find; None asks only what the window can show.
        split: shares, the control first.
        alpha: family-wise error rate.
        power: wanted chance to find the effect.
        units_per_day: over all variants.
        days: the window.
        sequential: whether the analysis will look at every day.
        tuned_at: units at which its sequence is tightest.
    """

    kind: str = "proportion"
    baseline: float | None = None
    sd: float | None = None
    effect: float | None = None
    split: str = "50/50"
    alpha: float = 0.05
    power: float = 0.8
    units_per_day: float | None = None
    days: int | None = None
    sequential: bool = False
    tuned_at: int = 10_000


def shares_of(text: str) -> tuple[float, ...]:
    """Read shares such as 50/50.

    Raises:
        UsageError: not numbers above 0.

    >>> shares_of("80/10/10")
    (80.0, 10.0, 10.0)
    """
    try:
        shares = tuple(float(part) for part in text.replace(":", "/").split("/"))
    except ValueError:
        shares = ()
    if len(shares) < 2 or not all(0 < share < float("inf") for share in shares):
        raise UsageError(
            f"--split {text!r}: expected two or more shares above 0",
            hint="for example 50/50 or 80/10/10, the control first",
        )
    return shares


def require_both(past: object, metrics: object) -> None:
    """Raise `UsageError` where one of a past file and its metrics is given without the other."""
    if (past is None) != (metrics is None):
        raise UsageError(
            "a past file and --metrics belong together",
            hint="give both, or neither and --kind, --baseline and --sd",
        )
