"""How far an estimate may be moved by weights that were changed on purpose."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.ope.estimator import Estimator, Influence
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import UNMODIFIED

MATERIAL_CHANGE = 0.01


@dataclass(frozen=True, slots=True)
class BiasNote:
    """What clipping, switching or shrinking did; the interval beside it covers none of this.

    Attributes:
        text: one sentence for a reader.
        shift: estimate minus the same formula with unchanged weights: an unbiased but noisy view
            of the bias.
        bound: the bias is at most this for rewards and predictions within the range seen.
        n_changed: rows whose weight was changed by more than 1 %.
    """

    text: str
    shift: float
    bound: float
    n_changed: int


def bias_note(estimator: Estimator, log: LoggedDecisions, influence: Influence) -> BiasNote | None:
    """Return what the changed weights w_hat may cost, or None when no weight was changed.

    The bias of a weighted mean is E[(w_hat - w)(r - q)], so at most mean|w_hat - w| times the range
    of r - q, which for predictions within the rewards' range is that range. Of a self-normalised
    mean it is the range times the total variation distance of the two normalised weightings.
    """
    if influence.weight is None or influence.weight is log.weight:
        return None
    changed = np.abs(influence.weight - log.weight)
    if not changed.any():
        return None
    n_changed = int(np.count_nonzero(changed > MATERIAL_CHANGE * log.weight))
    shift = influence.estimate - estimator.influence(log, UNMODIFIED).estimate
    if estimator.is_self_normalised:
        kept = influence.weight / influence.weight.sum()
        distance = 0.5 * float(np.abs(kept - log.weight / log.weight.sum()).sum())
    else:
        distance = float(changed.mean())
    bound = distance * _residual_range(estimator, log)
    text = (
        f"biased by design: {n_changed} of {len(log)} weights were changed by over 1 %, which "
        f"moved the estimate by {shift:+.4g} from its form with unchanged weights; "
        f"the bias is at most {bound:.4g} in size and the interval does not cover it"
    )
    return BiasNote(text, shift, bound, n_changed)


def _residual_range(estimator: Estimator, log: LoggedDecisions) -> float:
    values: list[Floats] = [log.reward]
    if estimator.needs_q_hat and log.q_taken is not None:
        values.append(log.q_taken)
    elif not estimator.is_self_normalised:
        # plain weighting has no baseline: dropping a weight drops the whole reward
        return float(np.abs(log.reward).max())
    return float(max(v.max() for v in values) - min(v.min() for v in values))
