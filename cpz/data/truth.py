"""The one door to sealed ground truth. Only simulator/, cli/ and benchmarks/ may import this."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Mask
from cpz.data.dataset import Dataset, part_files, read_parts
from cpz.data.errors import DataError, NotFoundError


def read_truth(
    dataset: Dataset, columns: Iterable[str] | None = None, part: Path | None = None
) -> pl.DataFrame:
    """Read the truth table of a simulated dataset, in session order, or one part of it."""
    if not dataset.is_simulated:
        raise NotFoundError(
            f"dataset {dataset.name!r} is imported: its true values are unknown",
            hint="drop --with-truth",
        )
    files = part_files(dataset, "truth") if part is None else [part]
    return read_parts(dataset, "truth", files, columns)


def truth_table(dataset: Dataset, placement: str, what: str, part: Path | None = None) -> Floats:
    """Read one of a placement's truths as `option_table` lays it out, (n, K) in session order.

    Args:
        dataset: a simulated dataset.
        placement: one of its placements.
        what: see `option_table`.
        part: one of the truth's files; all of them when None.

    Raises:
        NotFoundError: an imported dataset, or an unknown placement.
    """
    n_options = len(dataset.options(placement))
    truth = read_truth(dataset, [f"{placement}_eligible", f"{placement}_{what}"], part)
    return option_table(truth, placement, what, n_options)


def option_table(truth: pl.DataFrame, placement: str, what: str, n_options: int) -> Floats:
    """Return one of a placement's truths as a table, NaN where an option was not eligible.

    Args:
        truth: n rows with the columns `<placement>_eligible` and `<placement>_<what>`.
        placement: "payment", "shipping" or "offer".
        what: "expected", "expected_margin", "propensity", "taste" (payment only), or "potential",
            which becomes 0 and 1.
        n_options: K, the size of the placement's catalogue.

    Returns:
        (n, K), options in the manifest's order.

    Raises:
        DataError: a list has not as many entries as there were eligible options.

    >>> row = {"offer_eligible": [5], "offer_expected": [[0.25, 0.5]], "offer_potential": [4]}
    >>> option_table(pl.DataFrame(row), "offer", "expected", 3)
    array([[0.25,  nan, 0.5 ]])
    >>> option_table(pl.DataFrame(row), "offer", "potential", 3)
    array([[ 0., nan,  1.]])
    """
    column = truth[f"{placement}_{what}"]
    eligible = bit_table(truth[f"{placement}_eligible"], n_options)
    if column.dtype == pl.Int64:
        return np.where(eligible, bit_table(column, n_options), np.nan)
    lengths = column.list.len().to_numpy()
    bad = np.flatnonzero(lengths != eligible.sum(axis=1))
    if len(bad):
        raise DataError(
            f"truth, {column.name}: {len(bad)} of {len(lengths)} rows have not one value for each "
            f"eligible option (first: row {bad[0]}, {lengths[bad[0]]} values for "
            f"{eligible[bad[0]].sum()} of {n_options} options)",
            hint="simulate the dataset again",
        )
    table = np.full(eligible.shape, np.nan)
    table[eligible] = column.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    return table


def bit_table(masks: pl.Series, n_options: int) -> Mask:
    """Return (n, K) booleans: bit j of a mask stands for option j.

    >>> bit_table(pl.Series([5]), 3)
    array([[ True, False,  True]])
    """
    bits = masks.to_numpy()[:, None] >> np.arange(n_options)
    table: Mask = (bits & 1).astype(np.bool_)
    return table
