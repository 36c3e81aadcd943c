"""The logged decisions: which policy decides, with which probabilities, and what was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints
from cpz.data.policy import Policy, Visits
from cpz.data.tables import PLACEMENTS
from cpz.simulator.scenario.columns import Rows, looked_up, pick, row_sums, running_sums
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.closed_form import ByPlacement
from cpz.simulator.visit.funnel import Shown
from cpz.simulator.visit.logging_policies import HIDDEN, ConfoundedPolicy, OneStepPolicy
from cpz.simulator.visit.situation import Situation

ACTION = {placement: f"decision.{placement}" for placement in PLACEMENTS}
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of n visits: full distributions and the drawn options.

    Attributes:
        payment_propensity, shipping_propensity, offer_propensity: (n, K); 0 where not eligible,
            rows sum to 1, except that a digital cart's shipping row is all 0.
        payment, offer: (n,) shown option.
        shipping: (n,) preselected option, -1 for digital carts.
    """

    payment_propensity: Floats
    shipping_propensity: Floats
    offer_propensity: Floats
    payment: Ints
    shipping: Ints
    offer: Ints

    @property
    def propensity(self) -> ByPlacement:
        """Return the three distributions."""
        return ByPlacement(self.payment_propensity, self.shipping_propensity, self.offer_propensity)

    @property
    def shown(self) -> Shown:
        """Return the three shown options."""
        return Shown(self.payment, self.shipping, self.offer)

    @property
    def logged(self) -> "Logged":
        """Return what the log holds of it."""
        rows, chances = np.arange(len(self.payment)), []
        for placement in PLACEMENTS:
            action = np.maximum(getattr(self, placement), 0)
            chances.append(self.propensity.of(placement)[rows, action])
        return Logged(self.payment, self.shipping, self.offer, *chances)


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log of n visits holds of the decisions.

    Attributes:
        payment, shipping, offer: (n,) as in `Decided`.
        payment_propensity, shipping_propensity, offer_propensity: (n,) the probability with which
            that option was drawn, meaningless where none was.
    """

    payment: Ints
    shipping: Ints
    offer: Ints
    payment_propensity: Floats
    shipping_propensity: Floats
    offer_propensity: Floats


@dataclass(frozen=True, slots=True)
class Chooser:
    """The policies of a run, asked through the `Policy` protocol only."""

    world: World
    seed: int
    policies: Mapping[str, Policy]

    def decide(self, situation: Situation, context: pl.DataFrame) -> Decided:
        """Ask each policy for its distribution and draw from it by inverse CDF.

        The uniform behind a draw belongs to the visit, not to the policy, so two policies with
        the same distribution show the same option.

        Args:
            situation: n visits.
            context: n rows of what is known when the checkout starts.
        """
        propensity, action = {}, {}
        shopper = context["shopper_id"].to_numpy()
        visit = context["session_id"].to_numpy() % 65_536
        for placement in PLACEMENTS:
            policy = self.policies[placement]
            p = drawn_from = self._propensities(policy, placement, situation, context)
            if isinstance(policy, OneStepPolicy):
                drawn_from = self._propensities(policy.path, placement, situation, context)
            u = keyed.uniform(self.seed, ACTION[placement], shopper, visit)
            drawn = pick(u, running_sums(drawn_from))
            propensity[placement] = p
            action[placement] = np.where(row_sums(p) > 0, drawn, -1)
        return Decided(
            payment_propensity=propensity["payment"],
            shipping_propensity=propensity["shipping"],
            offer_propensity=propensity["offer"],
            payment=action["payment"],
            shipping=action["shipping"],
            offer=action["offer"],
        )

    def _propensities(
        self, policy: Policy, placement: str, situation: Situation, context: pl.DataFrame
    ) -> Floats:
        eligible = situation.eligible(placement)
        result = np.zeros(eligible.shape, order="F")
        is_open = np.logical_or.reduce(eligible.T)
        open_rows: Rows = slice(None) if is_open.all() else np.flatnonzero(is_open)
        if is_open.any():
            seen = context if isinstance(policy, ConfoundedPolicy) else _without_hidden(context)
            visits = Visits(
                placement,
                self.world.options(placement),
                eligible if isinstance(open_rows, slice) else looked_up(eligible, open_rows),
                seen if isinstance(open_rows, slice) else seen[open_rows],
            )
            p = policy.propensities(visits)
            _check_distribution(policy.name, p, visits)
            result[open_rows] = p
        return result


def _without_hidden(context: pl.DataFrame) -> pl.DataFrame:
    # a frame of the same columns: `drop` runs a query of some milliseconds
    return pl.DataFrame([column for column in context if column.name != HIDDEN])


def _check_distribution(name: str, p: Floats, visits: Visits) -> None:
    """Refuse what would spoil the log: a policy is foreign code here."""
    if p.shape != visits.eligible.shape:
        raise ValueError(f"policy {name!r}: expected shape {visits.eligible.shape}, got {p.shape}")
    bad = ~(np.abs(row_sums(p) - 1.0) <= _TOLERANCE)
    # a NaN is not at least 0 and is not equal to 0 either
    is_off = np.greater(p != 0, visits.eligible)
    if bad.any() or is_off.any() or not p.min(initial=0.0) >= 0:
        bad |= (is_off | ~(p >= 0)).any(axis=1)
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"policy {name!r}: row {row} of {visits.placement} must be probabilities over the "
            f"eligible options that sum to 1, got {p[row].tolist()}"
        )
