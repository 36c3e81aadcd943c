"""Reward predictions for off-policy evaluation from a file."""

from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.errors import DataError
from cpz.ingest.logs.array_files import list_column, load_array
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.readers import read_foreign


def load_q_hat(path: Path, log: FlatLog, n_actions: int) -> Floats:
    """Read the predicted reward of each row under each action.

    Args:
        path: .npy; .npz with an array `q_hat`; or Parquet with either a list column `q_hat` or one
            numeric column per action, in catalogue order.
        log: the log whose rows the predictions follow.
        n_actions: the number of options, the policy's included.

    Returns:
        (n, n_actions), finite.

    Raises:
        DataError: another shape, or a value that is not finite; the message names the first row.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        q_hat = load_array(path, "q_hat")
    else:
        q_hat = _from_frame(read_foreign(path), path)
    if q_hat.shape != (log.n, n_actions):
        raise DataError(
            f"{path}: q_hat has shape {q_hat.shape}, expected (n, n_actions) = "
            f"({log.n}, {n_actions})",
            hint="one row per log row in the log's order, one column per option of the policy",
            path=str(path),
        )
    bad = ~np.isfinite(q_hat)
    if bad.any():
        first = int(bad.any(axis=1).argmax())
        raise DataError(
            f"{path}: q_hat: {int(bad.sum())} values are not finite (first: row {first + 1})",
            hint="predict a reward for every action, also for those never shown",
            path=str(path),
        )
    return q_hat


def _from_frame(frame: pl.DataFrame, path: Path) -> Floats:
    if "q_hat" in frame.columns:
        return list_column(frame["q_hat"], path)
    other = [name for name, dtype in frame.schema.items() if not dtype.is_numeric()]
    if other:
        raise DataError(
            f"{path}: column {other[0]!r} is {frame.schema[other[0]]}, expected numbers",
            hint="keep one numeric column per option, or one list column q_hat",
            path=str(path),
        )
    return frame.cast(pl.Float64).fill_null(float("nan")).to_numpy()
