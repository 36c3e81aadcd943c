"""What models and estimators read: one placement's decisions as aligned vectors."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.policy import Visits


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """n decisions of one placement, in the order of their table.

    Attributes:
        placement: the placement's name; "" for sessions without decisions.
        ids: n rows; decision_id, session_id and shopper_id as far as the table has them, decided_at
            and session_at (the session's first decision) where times are known.
        visits: options, eligibility (n, K) and context of each decision.
        action: (n,) code of the shown option in `visits.options`; None without decisions.
        propensity: (n,) the logging policy's probability of the action, NaN where a row lacks it;
            None where the log has none.
        reward: (n,).
        position: (n,) logged position, -1 where a row lacks it; None where the log has none.
        unit: (n,) one code per shopper.
    """

    placement: str
    ids: pl.DataFrame
    visits: Visits
    action: Ints | None
    propensity: Floats | None
    reward: Floats
    position: Ints | None
    unit: Ints

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def options(self) -> tuple[str, ...]:
        """Return the placement's K options."""
        return self.visits.options

    @property
    def context(self) -> pl.DataFrame:
        """Return what was known at each decision."""
        return self.visits.context

    @property
    def has_time(self) -> bool:
        """Return whether the decisions carry timestamps."""
        return "decided_at" in self.ids.columns

    def take(self, rows: Ints | Mask) -> "DecisionBatch":
        """Return the decisions at some rows, given as indices or as a mask."""
        index = np.arange(len(self))[rows]
        return DecisionBatch(
            placement=self.placement,
            ids=self.ids[index],
            visits=take_visits(self.visits, index),
            action=None if self.action is None else self.action[index],
            propensity=None if self.propensity is None else self.propensity[index],
            reward=self.reward[index],
            position=None if self.position is None else self.position[index],
            unit=self.unit[index],
        )


def take_visits(visits: Visits, rows: Ints) -> Visits:
    """Return the visits at some rows."""
    return Visits(visits.placement, visits.options, visits.eligible[rows], visits.context[rows])
