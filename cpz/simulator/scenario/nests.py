"""Nested logit with one boosted option: exact gains, and noise whose largest sum has them.

Options of a nest are closer substitutes. With a nest's scale L in (0, 1], W = sum of exp(V_j / L)
over its options, a nest is chosen with weight W^L and, within it, option j with weight
exp(V_j / L) / W (McFadden 1978; Train, Discrete Choice Methods with Simulation, eq. 4.4 and 4.5).
L = 1 is the plain logit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.columns import row_sums

#: The smallest normal number: a nest of less mass is as good as empty.
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Nests:
    """How K options fall into nests.

    Attributes:
        of_option: (K,) nest of each option, numbered from 0.
        scale: (n_nests,) dissimilarity L of each nest, in (0, 1].
    """

    of_option: Ints
    scale: Floats

    @property
    def option_scale(self) -> Floats:
        """Return the scale of each option's nest, (K,)."""
        return self.scale[self.of_option]

    def only(self, options: Ints) -> "Nests":
        """Return the nests of some of the options, renumbered without those left empty.

        An option that is left alone in its nest has that of the plain logit, for (W^(1 / L))^L = W.

        >>> Nests(np.array([0, 1, 2, 1]), np.array([0.5, 0.6, 0.7])).only(np.array([1, 2, 3]))
        Nests(of_option=array([0, 1, 0]), scale=array([0.6, 1. ]))
        """
        used, of_option = np.unique(self.of_option[options], return_inverse=True)
        is_shared = np.bincount(of_option, minlength=len(used)) > 1
        return Nests(of_option, np.where(is_shared, self.scale[used], 1.0))


def nests_of(names: Mapping[str, str], scales: Mapping[str, float]) -> Nests:
    """Number the nests; an option without one ("") is a nest of its own.

    Args:
        names: option -> nest.
        scales: nest -> dissimilarity.

    >>> nests_of({"card": "cards", "cash": "", "debit": "cards"}, {"cards": 0.5})
    Nests(of_option=array([0, 1, 0]), scale=array([0.5, 1. ]))
    """
    keys = [nest or f" {option}" for option, nest in names.items()]
    distinct = list(dict.fromkeys(keys))
    return Nests(
        np.array([distinct.index(key) for key in keys]),
        np.array([scales.get(key, 1.0) for key in distinct]),
    )


def single_nests(n_options: int) -> Nests:
    """Return the plain logit: each option a nest of its own."""
    return Nests(np.arange(n_options), np.ones(n_options))


def log_stable(u: Floats, exponential: Floats, scale: float) -> Floats:
    """Return log S for a positive stable S with E exp(-t S) = exp(-t^scale), by Kanter's formula.

    L (log S + Gumbel) is again standard Gumbel (Cardell 1997), so options that share an S and add
    their own Gumbel noise make a nested logit.

    Args:
        u: uniforms.
        exponential: standard exponentials.
        scale: in (0, 1]; 1 gives zeros.
    """
    if scale == 1.0:
        return np.zeros_like(u)
    angle = np.pi * u
    rest = (1.0 - scale) / scale
    result: Floats = (
        np.log(np.sin(scale * angle))
        - np.log(np.sin(angle)) / scale
        + rest * (np.log(np.sin((1.0 - scale) * angle)) - np.log(exponential))
    )
    return result


def nested_gains(
    utility: Floats, leave: Floats, boost: Floats, gains: Sequence[Floats], nests: Nests
) -> list[tuple[Floats, Floats]]:
    """Return each expected gain with no option boosted, (n,), and with each in turn, (n, K).

    Args:
        utility: (n, K), -inf where not eligible.
        leave: (n,) utility of the outside option, a nest of its own whose gain is 0.
        boost: (n,) utility added to the option that is shown.
        gains: (n, K) each: what choosing an option is worth.
        nests: the nests of the K options.

    >>> v, one = np.zeros((1, 2)), np.ones((1, 2))
    >>> pair = Nests(np.array([0, 0]), np.array([0.5]))  # one nest of weight 2^0.5, leaving 1
    >>> nested_gains(v, np.zeros(1), np.zeros(1), [one], pair)[0][0].round(4)
    array([0.5858])
    """
    top = leave.copy()
    for option in range(utility.shape[1]):
        np.maximum(top, utility[:, option], out=top)
    weights = np.exp((utility - top[:, None]) / nests.option_scale)
    nest_of = nests.of_option.tolist()
    mass = _by_nest(weights, nests)
    attraction = mass.copy()
    for nest in np.flatnonzero(nests.scale < 1.0).tolist():
        attraction[nest] **= nests.scale[nest]
    total = np.exp(leave - top)
    for nest in range(len(attraction)):
        total = total + attraction[nest]
    lifted_mass, lifted = np.empty_like(weights), np.empty_like(weights)
    extra = np.empty_like(weights)
    factors = [np.expm1(boost / scale) for scale in nests.scale.tolist()]
    for option, nest in enumerate(nest_of):
        extra[:, option] = weights[:, option] * factors[nest]
        lifted_mass[:, option] = mass[nest] + extra[:, option]
        # a power takes as long as ten products
        scale = nests.scale[nest]
        mine = lifted_mass[:, option]
        lifted[:, option] = mine if scale == 1.0 else mine**scale
    per_mass = _share(attraction, mass)
    per_lifted = _share(lifted, lifted_mass)
    whole = total[:, None] - attraction[nests.of_option].T + lifted
    results = []
    for gain in gains:
        worth = _by_nest(weights * gain, nests)
        in_nest = worth * per_mass
        sum_of = row_sums(in_nest.T)
        raised = (worth[nests.of_option].T + extra * gain) * per_lifted
        elsewhere = sum_of[:, None] - in_nest[nests.of_option].T
        results.append((sum_of / total, (elsewhere + raised) / whole))
    return results


def _by_nest(values: Floats, nests: Nests) -> Floats:
    """Return the sums over each nest's options, (n_nests, n)."""
    result = np.zeros((len(nests.scale), len(values)))
    for option, nest in enumerate(nests.of_option.tolist()):
        result[nest] += values[:, option]
    return result


def _share(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, 0 for an empty nest, whose part is 0 too."""
    result: Floats = part / np.maximum(whole, _TINY)
    return result
