"""Reward predictions for off-policy evaluation from a file."""

from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.errors import DataError
from cpz.ingest.files.readers import read_foreign
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.option_order import shown_order
from cpz.ingest.policies.array_columns import column_per_option, reordered, require_order
from cpz.ingest.policies.array_files import NamedArray, list_column, load_array, number_columns
from cpz.ingest.policies.row_match import rows_of_log


def load_q_hat(path: Path, log: FlatLog, n_actions: int) -> Floats:
    """Read the predicted reward of each row under each action.

    Args:
        path: .npy; .npz with an array `q_hat`, and `options` and `decision` where it names its
            columns and rows; or a table with either a list column `q_hat` or one numeric column
            per option, named as it or as it behind one prefix. Columns without a name follow the
            catalogue, which must be counted or declared.
        log: the log whose rows the predictions follow.
        n_actions: the number of options, the policy's included.

    Returns:
        (n, n_actions), finite.

    Raises:
        DataError: another shape, columns in no known order, rows in another order than the log's,
            or a value that is not finite; the message names the first row.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        q_hat = _from_array(load_array(path, "q_hat"), log, path)
    else:
        q_hat = _from_frame(read_foreign(path), log, path)
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


def _from_array(array: NamedArray, log: FlatLog, path: Path) -> Floats:
    values = array.values
    if array.options:
        _require_names(array, log, path)
        values = reordered(values, 1, array.options, log.options)
    elif values.shape == (log.n, log.n_actions):
        require_order(log, path)
    if array.decisions is None or not log.key or values.ndim != 2:
        return values
    ids = array.decisions.alias(log.key).to_frame()
    row = rows_of_log(ids, log, path, "predictions")
    return values if row is None else values[row]


def _from_frame(frame: pl.DataFrame, log: FlatLog, path: Path) -> Floats:
    names = column_per_option(frame.columns, log.options)
    if "q_hat" in frame.columns:
        values = list_column(frame["q_hat"], path)
        if values.shape[1] == log.n_actions:
            require_order(log, path)
    elif names is not None:
        values = number_columns(frame, names, path)
    else:
        raise _nameless(frame, log, path)
    row = rows_of_log(frame, log, path, "predictions")
    return values if row is None else values[row]


def _nameless(frame: pl.DataFrame, log: FlatLog, path: Path) -> DataError:
    other = [name for name, dtype in frame.schema.items() if not dtype.is_numeric()]
    if other:
        what = f"column {other[0]!r} is {frame.schema[other[0]]}, expected numbers"
    else:
        what = f"the columns {', '.join(frame.columns[:8])} do not name the options"
    return DataError(
        f"{path}: {what}",
        hint="keep one numeric column per option, named as it, or one list column q_hat; the "
        f"options are {shown_order(log.options)}",
        path=str(path),
    )


def _require_names(array: NamedArray, log: FlatLog, path: Path) -> None:
    missing = [option for option in log.options if option not in array.options]
    what = f"{missing[0]!r} is missing" if missing else ""
    if array.values.ndim != 2 or array.values.shape[1] != len(array.options):
        what = f"{len(array.options)} names for q_hat of shape {array.values.shape}"
    if what:
        raise DataError(
            f"{path}: options: {what}",
            hint=f"predict every option, one named column each: {shown_order(log.options)}",
            path=str(path),
        )
