"""The numbers of a comparison that a page shows: those its verdict reads, all of one pivot."""

from dataclasses import dataclass

from cpz.evaluation.ab.results import Comparison, ExperimentResult

#: Beside a verdict that Holm's correction made stand numbers that it did not touch.
ALONE = "interval and p of each row alone, Holm's p over all"


@dataclass(frozen=True, slots=True)
class ShownNumbers:
    """Both sides, their difference and relative change, with intervals and p-value."""

    control: float
    treatment: float
    estimate: float
    ci: tuple[float, float]
    relative: float
    relative_ci: tuple[float, float]
    p_value: float


def shown_numbers(found: Comparison) -> ShownNumbers:
    """Return the sequential numbers of the deciding look, else the adjusted, else the plain."""
    followed = found.sequential
    if followed is not None:
        return ShownNumbers(
            followed.control,
            followed.treatment,
            followed.estimate,
            followed.ci,
            followed.relative,
            followed.relative_ci,
            followed.p_value,
        )
    side = found.deciding or found
    return ShownNumbers(
        side.control,
        side.treatment,
        side.absolute.estimate,
        side.absolute.ci,
        side.relative.estimate,
        side.relative.ci,
        side.absolute.p_value,
    )


def adjusted_sentence(result: ExperimentResult) -> str:
    """Say which rows are adjusted by a covariate and which are not; "" where all are the same."""
    by_name = {
        name: any(found.deciding for found in variants.values())
        for name, variants in result.metrics.items()
    }
    adjusted = [name for name, is_adjusted in by_name.items() if is_adjusted]
    if not adjusted or len(adjusted) == len(by_name):
        return ""
    plain = [name for name in by_name if name not in adjusted]
    return f"Adjusted by a covariate: {', '.join(adjusted)}; as measured: {', '.join(plain)}."
