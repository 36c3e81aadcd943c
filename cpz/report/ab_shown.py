"""The numbers of a comparison that a page shows: those its verdict reads, all of one pivot."""

from dataclasses import dataclass

from cpz.evaluation.ab.results import Comparison


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
