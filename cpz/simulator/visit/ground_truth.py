"""The sealed truth of visits that were played: exact values and potential outcomes of each option.

It is worked out market by market, with no more columns than the methods that the market offers:
the other methods' weights are zero and change no sum.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.tables import PLACEMENTS
from cpz.simulator.scenario.columns import looked_up, row_counts, take, take_columns
from cpz.simulator.scenario.regime import by_regime
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.amounts import amounts_of
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.closed_form import expected_values
from cpz.simulator.visit.decision import Decided
from cpz.simulator.visit.funnel import potentials
from cpz.simulator.visit.noise import Noise
from cpz.simulator.visit.outcome import VisitOutcome
from cpz.simulator.visit.situation import Situation

#: Visits worked out at once: more need more memory, fewer make more calls for each visit (the
#: fastest of 1,024 to 20,000, 4,096 a tenth slower).
_ROWS = 8_192

#: The (n, Kp) columns of situations, of which only the methods in use are taken.
_SITUATION_METHODS = ("payment", "decline", "payment_eligible")


@dataclass(frozen=True, slots=True)
class Lived:
    """n visits that were played, in any order.

    Attributes:
        regime: (n,) the regime that each met.
        carts, situation, noise, decided, outcome: n rows each; `situation` has the memory in it.
    """

    regime: Ints
    carts: Carts
    situation: Situation
    noise: Noise
    decided: Decided
    outcome: VisitOutcome


@dataclass(frozen=True, slots=True)
class OptionValues:
    """One placement's truth of n visits, without the options that were not eligible.

    Attributes:
        eligible: (n, K).
        potential: (n,) bit j is set if the visit converts had option j been shown.
        expected: (eligible options of all visits,) conversion to expect, visit by visit and in the
            catalogue's order.
        margin: the same for margins, in minor units of each visit's currency.
        propensity: the same for the logging policy's distribution.
    """

    eligible: Mask
    potential: Ints
    expected: Floats
    margin: Floats
    propensity: Floats


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of n visits, and the trust, satisfaction and churn with which they began."""

    payment: OptionValues
    shipping: OptionValues
    offer: OptionValues
    trust: Floats
    satisfaction: Floats
    churned: Mask

    def of(self, placement: str) -> OptionValues:
        """Return the placement's values."""
        return {"payment": self.payment, "shipping": self.shipping, "offer": self.offer}[placement]


def ground_truth(world: World, lived: Lived, order: Ints) -> Truth:
    """Work out the truth of all visits.

    Args:
        world: the compiled scenario.
        lived: n visits.
        order: (n,) row i of the result is row order[i] of `lived`.
    """
    to = np.empty_like(order)
    to[order] = np.arange(len(order))
    sheets = {p: _Sheet.ruled(looked_up(lived.situation.eligible(p), order)) for p in PLACEMENTS}
    for rows in _by_market(lived.carts.country):
        _work_out(world, lived, rows, sheets, to[rows])
    return Truth(
        sheets["payment"].values,
        sheets["shipping"].values,
        sheets["offer"].values,
        lived.situation.trust[order],
        lived.situation.satisfaction[order],
        lived.situation.churned[order],
    )


def _by_market(country: Ints) -> Iterator[Ints]:
    """Yield the rows of each market, at most _ROWS at once."""
    order = np.argsort(country.astype(np.int16), kind="stable")
    ends = np.cumsum(np.bincount(country)).tolist()
    for start, stop in zip([0, *ends[:-1]], ends, strict=True):
        for first in range(start, stop, _ROWS):
            yield order[first : min(first + _ROWS, stop)]


def _offered(world: World, market: int) -> Ints:
    """Return the payment methods that a market offers under any regime."""
    worlds = world.regimes or (world,)
    found: Ints = np.flatnonzero(
        np.logical_or.reduce([now.payment_market[market] for now in worlds])
    )
    return found


def _work_out(
    world: World, lived: Lived, rows: Ints, sheets: "Mapping[str, _Sheet]", to: Ints
) -> None:
    """Fill in the truth of one market's visits; row i of them goes to row to[i]."""
    kinds = len(world.payment)
    # not what these visits may use: no value may depend on which visits are worked out together
    methods = _offered(world, int(lived.carts.country[rows[0]]))
    now = take_columns(lived.situation, rows, dict.fromkeys(_SITUATION_METHODS, methods))
    noise_columns = {"payment": np.append(methods, kinds), "fails": methods}
    noise = take_columns(lived.noise, rows, noise_columns)
    decided = take_columns(lived.decided, rows, {"payment_propensity": methods})
    shown = decided.shown.renumbered(methods, kinds)
    carts = take(lived.carts, rows)
    amounts = by_regime(
        world, lived.regime[rows], lambda then, mine: amounts_of(then, take(carts, mine), methods)
    )
    propensity = decided.propensity
    conversion, margin = expected_values(now, propensity, world.nests.only(methods), amounts)
    potential = potentials(now, noise, shown, take(lived.outcome, rows), methods)
    for placement, sheet in sheets.items():
        options = methods if placement == "payment" else np.arange(len(world.options(placement)))
        eligible = now.eligible(placement)
        sheet.values.potential[to] = bit_masks(potential.of(placement) & eligible, options)
        sheet.fill(
            to,
            eligible,
            {
                "expected": conversion.of(placement),
                "margin": margin.of(placement),
                "propensity": propensity.of(placement),
            },
        )


def bit_masks(table: Mask, options: Ints | None = None) -> Ints:
    """Return each row as one number: bit options[k] is set where column k is true.

    >>> bit_masks(np.array([[True, False, True], [False, False, False]]))
    array([5, 0])
    """
    result = np.zeros(len(table), dtype=np.int64)
    numbers = range(table.shape[1]) if options is None else options.tolist()
    for column, option in enumerate(numbers):
        result |= table[:, column].astype(np.int64) << option
    return result


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One placement's values, filled in piece by piece; `start` is where each visit's begin."""

    values: OptionValues
    start: Ints

    @classmethod
    def ruled(cls, eligible: Mask) -> "_Sheet":
        """Return an empty sheet with room for the eligible options."""
        n_eligible = row_counts(eligible)
        end = np.cumsum(n_eligible)
        blank = [np.empty(int(n_eligible.sum())) for _ in range(3)]
        potential = np.zeros(len(eligible), dtype=np.int64)
        return cls(OptionValues(eligible, potential, *blank), end - n_eligible)

    def fill(self, to: Ints, eligible: Mask, tables: Mapping[str, Floats]) -> None:
        """Write the eligible entries of (n, K) tables into the lists of the visits `to`."""
        place = np.empty(eligible.shape[::-1], dtype=np.int64)
        place[0] = self.start[to]
        for column in range(1, len(place)):
            np.add(place[column - 1], eligible[:, column - 1], out=place[column])
        at = np.flatnonzero(eligible.T)
        where = place.ravel().take(at)
        for name, table in tables.items():
            getattr(self.values, name)[where] = table.T.ravel().take(at)
