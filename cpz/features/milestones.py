"""How far a session went around the checkout step that a placement acts on."""

from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from cpz.data.arrays import Mask
from cpz.data.dataset import Dataset
from cpz.data.tables import STEPS
from cpz.features.decision_batch import DecisionBatch

_COLUMNS = ("session_id", "type", "step")


@dataclass(frozen=True, slots=True)
class Milestones:
    """What became of n decisions at the step of their placement.

    Attributes:
        reached: (n,) came to the step, so that what was shown there could matter.
        passed: (n,) came to the step after it.
        chosen: (n,) the option selected first at the step, "" for none.
    """

    reached: Mask
    passed: Mask
    chosen: pl.Series


def milestones(dataset: Dataset, batch: DecisionBatch) -> Milestones | str:
    """Read the milestones of some decisions from the events, or say why they cannot be known.

    A session that bought has passed every step, whichever of its events were lost.

    Args:
        dataset: with an events table, simulated or imported.
        batch: decisions of a placement that is named after a step of the checkout.
    """
    steps: dict[str, str] = dict(pairwise(STEPS))
    following = steps.get(batch.placement)
    if following is None:
        return f"{batch.placement or 'sessions'} is not a single step of the checkout"
    if not dataset.has("events") or "session_id" not in batch.ids.columns:
        return "the log has no events by session"
    events = dataset.frame("events")
    if not set(_COLUMNS) <= set(events.columns):
        return "the events name no steps"
    texts = [name for name in ("type", "step", "option") if name in events.columns]
    events = events.with_columns(pl.col(texts).cast(pl.String))
    entered = events.filter(pl.col("type") == "step_entered")
    came, went_on = (
        batch.ids["session_id"].is_in(
            entered.filter(pl.col("step") == step)["session_id"].unique().implode()
        )
        for step in (batch.placement, following)
    )
    if not came.any() or not went_on.any():
        return f"no session entered the steps {batch.placement} and {following}"
    bought = pl.Series(batch.reward > 0)
    passed = (went_on | bought).to_numpy()
    return Milestones(came.to_numpy() | passed, passed, _chosen(events, batch))


def _chosen(events: pl.DataFrame, batch: DecisionBatch) -> pl.Series:
    nothing = pl.Series("chosen", [""] * len(batch), dtype=pl.String)
    if "option" not in events.columns:
        return nothing
    selected = events.filter(
        (pl.col("type") == "option_selected") & (pl.col("step") == batch.placement)
    )
    if "occurred_at" in selected.columns:
        selected = selected.sort("occurred_at", maintain_order=True)
    first = selected.unique("session_id", keep="first", maintain_order=True)
    joined = batch.ids.select("session_id").join(
        first.select("session_id", chosen=pl.col("option")),
        on="session_id",
        how="left",
        maintain_order="left",
    )
    return joined["chosen"].fill_null("")
