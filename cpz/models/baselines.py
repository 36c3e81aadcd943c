"""What a learned policy must beat: the country's favourite, and what the shopper used last."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Mask
from cpz.data.dataset import Dataset
from cpz.data.errors import MissingColumnError
from cpz.data.policy import PopularityPolicy, Visits, greedy_propensities
from cpz.features.decision_batch import DecisionBatch

#: A country's shares count as if ten further purchases had followed the overall shares.
_PRIOR_PURCHASES = 10.0


@dataclass(frozen=True, slots=True)
class LastUsedPolicy:
    """What the shopper chose last time, if eligible; else the country's favourite.

    Attributes:
        column: the context column that names the last choice.
        fallback: the popularity baseline for everyone else.
        name: the name written into logs.
    """

    column: str
    fallback: PopularityPolicy
    name: str = "last_used"

    @property
    def placement(self) -> str:
        """Return the placement it decides."""
        return self.fallback.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return 1 for the chosen option and 0 elsewhere, shape (n, K).

        Raises:
            MissingColumnError: the context does not say what was used last.
        """
        if self.column not in visits.context.columns:
            raise MissingColumnError(
                f"the last_used policy reads {self.column!r}, which the context lacks",
                hint="import events, or choose another policy",
            )
        last = visits.context[self.column].cast(pl.String).fill_null("")
        used = np.column_stack([(last == option).to_numpy() for option in visits.options])
        scores = np.where(used, 2.0, self.fallback.propensities(visits))
        return greedy_propensities(scores, visits.eligible)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the visits already carry the last choice."""


def fit_popularity(batch: DecisionBatch, weights: Floats) -> PopularityPolicy:
    """Turn a weight per decision and option into shares by country and overall ("").

    Args:
        batch: training rows; countries are read from its context where it has them.
        weights: (n, K), not negative, such as 1 for the option chosen in a converted session.

    >>> # three purchases by card and one by PayPal, in a log without countries
    >>> import numpy as np, polars as pl
    >>> visits = Visits("payment", ("card", "paypal"), np.ones((4, 2), bool), pl.DataFrame())
    >>> batch = DecisionBatch("payment", pl.DataFrame(), visits, None, None, np.ones(4), None,
    ...                       np.arange(4))
    >>> fit_popularity(batch, np.eye(2)[[0, 0, 0, 1]]).shares
    {'': (0.75, 0.25)}
    """
    total = weights.sum(axis=0)
    overall = total / total.sum() if total.sum() > 0 else np.full(len(total), 1 / len(total))
    shares = {"": tuple(overall.tolist())}
    if "country" in batch.context.columns:
        country = batch.context["country"].cast(pl.String)
        for name in sorted(country.drop_nulls().unique().to_list()):
            counted = weights[(country == name).fill_null(value=False).to_numpy()].sum(axis=0)
            mixed = counted + _PRIOR_PURCHASES * overall
            shares[name] = tuple((mixed / mixed.sum()).tolist())
    return PopularityPolicy(batch.placement, batch.options, shares)


def popularity_weights(dataset: Dataset, batch: DecisionBatch) -> Floats:
    """Return what counts as popular, shape (n, K).

    1 for the method with which a session was bought, where the sessions tell
    (`<placement>_method`); else the logged reward on the logged action, so that an action counts
    for what it earned.
    """
    chosen = bought_with(dataset, batch)
    if chosen is not None and chosen.any():
        return chosen.astype(np.float64)
    weights = np.zeros((len(batch), len(batch.options)))
    if batch.action is not None:
        weights[np.arange(len(batch)), batch.action] = np.maximum(batch.reward, 0.0)
    return weights


def last_used_column(placement: str) -> str:
    """Return the context column that names a placement's last choice."""
    return f"last_{placement}_method"


def bought_with(dataset: Dataset, batch: DecisionBatch) -> Mask | None:
    """Return with which option each session was bought, (n, K); None where no table tells."""
    column = f"{batch.placement}_method"
    if not dataset.has("sessions") or "session_id" not in batch.ids.columns:
        return None
    sessions = dataset.frame("sessions")
    if not {column, "converted", "session_id"} <= set(sessions.columns):
        return None
    bought = sessions.filter("converted").select(
        "session_id", chosen=pl.col(column).cast(pl.String)
    )
    joined = batch.ids.select("session_id").join(
        bought, on="session_id", how="left", maintain_order="left"
    )
    chosen = joined["chosen"].fill_null("")
    return np.column_stack([(chosen == option).to_numpy() for option in batch.options])
