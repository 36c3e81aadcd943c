"""Which sessions are held out: a value, so that evaluation reads exactly what training left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.arrays import Mask
from cpz.data.errors import DataError, NotEnoughDataError, UsageError
from cpz.features.decision_batch import DecisionBatch
from cpz.features.history import microseconds

_PURPOSE = "test_split"


@dataclass(frozen=True, slots=True)
class Split:
    """Hold out the latest sessions, or, in a log without times, a keyed share of the shoppers.

    Attributes:
        test_share: the share held out.
        seed: the seed of the keyed hash.
        cut_us: sessions that begin at or after this microsecond are held out; None: by shopper.
    """

    test_share: float
    seed: int
    cut_us: int | None = None

    def is_test(self, batch: DecisionBatch) -> Mask:
        """Return which decisions are held out, shape (n,); a session is never divided.

        Raises:
            DataError: the split goes by time and the batch has none.
        """
        if self.cut_us is None:
            return keyed.uniform(self.seed, _PURPOSE, batch.unit) < self.test_share
        if not batch.has_time:
            raise DataError(
                "the model was held out by time, and these decisions carry no decided_at",
                hint="evaluate on the dataset the model was trained on, or train on this one",
            )
        return microseconds(batch.ids["session_at"]) >= self.cut_us


def make_split(batches: Sequence[DecisionBatch], test_share: float, seed: int) -> Split:
    """Choose the cut so that about `test_share` of all sessions begin at or after it.

    One cut serves all placements of a dataset. Sessions that begin at the same microsecond stay
    together.

    Raises:
        UsageError: test_share is not inside (0, 1).
        NotEnoughDataError: the sessions cannot be divided.
    """
    if not 0.0 < test_share < 1.0:
        raise UsageError(
            f"test_share: {test_share} must be above 0 and below 1", hint="0.25 is usual"
        )
    split = Split(test_share, seed)
    if all(batch.has_time for batch in batches):
        keys = ["session_id"] if "session_id" in batches[0].ids.columns else []
        sessions = pl.concat([batch.ids.select(*keys, "session_at") for batch in batches])
        at = np.sort(microseconds(sessions.unique()["session_at"]))
        split = Split(test_share, seed, int(at[int((1.0 - test_share) * len(at))]))
    for batch in batches:
        n_test = int(split.is_test(batch).sum())
        if not 0 < n_test < len(batch):
            raise NotEnoughDataError(
                f"placement {batch.placement!r}: {len(batch)} decisions, {n_test} of them held "
                "out; both sides need at least one",
                hint="collect or simulate more, or change the test share",
            )
    return split
