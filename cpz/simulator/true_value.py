"""The exact value of a policy on simulated sessions, from the sealed truth."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.dataset import Dataset
from cpz.data.errors import DataError
from cpz.data.truth import option_table, read_truth

SessionIds = pl.Series | npt.NDArray[np.int64] | Sequence[int]


def expected_rewards(
    dataset: Dataset,
    placement: str,
    session_ids: SessionIds,
) -> Floats:
    """Return each session's exact expected reward under each option of a placement.

    The expectation is over all noise given the session's full state, memory included, with the
    other placements drawn from the logging policy.

    Args:
        dataset: a simulated dataset.
        placement: "payment", "shipping" or "offer".
        session_ids: n session ids in any order, repeats allowed.

    Returns:
        (n, K) in the given order and the catalogue's columns, NaN where not eligible.

    Raises:
        NotFoundError: an imported dataset, or an unknown placement.
        DataError: a session that is not in the dataset.
    """
    return _option_table(dataset, placement, "expected", session_ids)


def expected_margins(dataset: Dataset, placement: str, session_ids: SessionIds) -> Floats:
    """Return each session's expected margin in minor units, with the shape and errors of the above.

    Exact but for the rounding of the fee: at most half a minor unit times the conversion.
    """
    return _option_table(dataset, placement, "expected_margin", session_ids)


def logging_propensities(dataset: Dataset, placement: str, session_ids: SessionIds) -> Floats:
    """Return the logging policy's full distribution, with the shape and errors of the above."""
    return _option_table(dataset, placement, "propensity", session_ids)


def _option_table(dataset: Dataset, placement: str, what: str, session_ids: SessionIds) -> Floats:
    n_options = len(dataset.options(placement))
    columns = ["session_id", f"{placement}_eligible", f"{placement}_{what}"]
    truth = read_truth(dataset, columns)
    known = truth["session_id"].to_numpy()
    wanted = np.asarray(session_ids, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    rows = order[at]
    missing = np.flatnonzero(known[rows] != wanted)
    if len(missing):
        raise DataError(
            f"session_id: {len(missing)} of {len(wanted)} are not in dataset {dataset.name!r} "
            f"(first: row {missing[0]}, id {wanted[missing[0]]})",
            hint="take the ids from this dataset's decisions",
        )
    return option_table(truth, placement, what, n_options)[rows]


def true_value(expected: Floats, propensities: Floats) -> float:
    """Return the mean over rows of sum_a pi(a | row) q(row, a).

    Args:
        expected: (n, K) expected rewards; may be NaN where the policy never goes.
        propensities: (n, K) the policy's distribution.

    Raises:
        DataError: the policy puts weight on an option that was not eligible.

    >>> true_value(np.array([[0.2, 0.4], [0.5, np.nan]]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    0.4
    """
    weighted = np.where(propensities > 0, propensities * expected, 0.0)
    lost = np.flatnonzero(np.isnan(weighted).any(axis=1))
    if len(lost):
        raise DataError(
            f"policy: {len(lost)} of {len(expected)} rows have weight on an option that was not "
            f"eligible (first: row {lost[0]})",
            hint="mask the policy by the decisions' eligible options",
        )
    return float(weighted.sum(axis=1).mean())
