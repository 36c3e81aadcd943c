"""An evaluation policy from a file: checked, aligned with a flat log, stored once per distinct row.

Accepted are a NumPy array of shape (n_actions,), (n_actions, n_positions) or (n, n_actions), bare
or with the names of its options; a CSV, Parquet or JSON-lines table with the columns action,
optionally position, and probability; a table of n rows with one column per option; and a Parquet
file of n rows with a list column `probabilities`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.data.probabilities import ActionProbabilities
from cpz.ingest.files.readers import read_foreign
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.policies.array_columns import (
    column_per_option,
    named_axis,
    reordered,
    require_order,
    require_position_order,
    two_meanings,
)
from cpz.ingest.policies.array_files import NamedArray, list_column, load_array, number_columns
from cpz.ingest.policies.distributions import TOLERANCE, check_distributions, wrong
from cpz.ingest.policies.policy_tables import from_table, with_options
from cpz.ingest.policies.row_match import rows_of_log


def load_policy_file(path: Path, log: FlatLog) -> tuple[FlatLog, ActionProbabilities]:
    """Read a policy and align it with a log.

    A policy may know options that the log never showed: the log is returned with the longer
    catalogue, its codes unchanged. The catalogue of a mapping with `options` stays as declared.

    Args:
        path: .npy, .npz, .csv, .tsv, .parquet or .jsonl. Arrays that do not name their options
            follow the order of `log.options`, which must be counted or declared.
        log: the log on which the policy is to be evaluated.

    Returns:
        The log, and the policy's probabilities for each of its rows.

    Raises:
        DataError: a shape that fits the log in no way or in two ways, a logged action or position
            that the policy does not know, or probabilities that are NaN, negative, or do not sum
            to 1 within 1e-6; the message names the row or position and the sum.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        return _from_file(load_array(path, "policy", "probabilities"), log, path)
    return policy_from_frame(read_foreign(path), log, path)


def policy_from_frame(
    frame: pl.DataFrame, log: FlatLog, path: Path
) -> tuple[FlatLog, ActionProbabilities]:
    """Align a policy's table with a log; `path` is what messages call it.

    Args:
        frame: one row per row of the log with a list column `probabilities` or one column per
            option, named as it; or one row per action with the columns action, probability.
        log: the log on which the policy is to be evaluated.
        path: for messages.

    Raises:
        DataError: see `load_policy_file`.
    """
    if "probabilities" in frame.columns:
        row = rows_of_log(frame, log, path, "probabilities")
        return _from_rows(list_column(frame["probabilities"], path), log, path, row)
    names = column_per_option(frame.columns, log.options)
    if names is not None and "probability" not in frame.columns:
        row = rows_of_log(frame, log, path, "probabilities")
        table = number_columns(frame, names, path)
        known, found = _from_rows(table, replace(log, is_closed=True), path, row)
        return replace(known, is_closed=log.is_closed), found
    return from_table(frame, log, path)


def policy_from_array(
    array: Floats, log: FlatLog, path: Path
) -> tuple[FlatLog, ActionProbabilities]:
    """Align an array with a log, as one from a file; `path` is what messages call it."""
    return _from_array(array, log, path)


def _from_file(array: NamedArray, log: FlatLog, path: Path) -> tuple[FlatLog, ActionProbabilities]:
    values, known = array.values, log
    if array.options:
        axis = named_axis(values, len(array.options), log, path)
        known = with_options(log, array.options, path)
        values = reordered(values, axis, array.options, known.options)
        # the names settle the order of this array, not that of other files
        known = replace(known, is_closed=True)
    if array.decisions is not None and log.key:
        ids = array.decisions.alias(log.key).to_frame()
        found = _from_rows(values, known, path, rows_of_log(ids, log, path, "probabilities"))
    else:
        found = _from_array(values, known, path)
    return replace(found[0], is_closed=log.is_closed), found[1]


def _from_array(array: Floats, log: FlatLog, path: Path) -> tuple[FlatLog, ActionProbabilities]:
    if array.ndim == 1:
        return _by_position(array[:, None], log, path, np.zeros(log.n, dtype=np.int64))
    column_of_row = _position_columns(log, array.shape[1]) if array.ndim == 2 else None
    per_row = array.ndim == 2 and len(array) == log.n and array.shape[1] >= log.n_actions
    per_position = column_of_row is not None and len(array) >= log.n_actions
    if per_row and per_position:
        # a reading in which the distributions do not sum to 1 is not the one that was meant
        per_position = _sums_to_1(array, axis=0)
        if per_position and _sums_to_1(array, axis=1):
            raise two_meanings(path, array.shape)
        per_row = not per_position
    if per_row:
        return _from_rows(array, log, path)
    if column_of_row is not None:
        if not _counts_positions(log):
            require_position_order(log, path)
        return _by_position(array, log, path, column_of_row)
    raise wrong(
        path,
        f"shape {array.shape}; expected ({log.n_actions},), "
        f"({log.n_actions}, {max(1, len(log.positions))}) or ({log.n}, {log.n_actions})",
        "map `position` if the policy has one"
        if log.position is None
        else f"the log's positions are {', '.join(log.positions[:8])}",
    )


def _sums_to_1(array: Floats, axis: int) -> bool:
    return bool((np.abs(array.sum(axis=axis) - 1.0) <= TOLERANCE).all())


def _position_columns(log: FlatLog, n_columns: int) -> Ints | None:
    """Return for each log row its column of an (n_actions, n_columns) table; None: no such table.

    Positions counted from 0 are the column itself; counted from 1, one more than it. Declared ones
    stand in their order, any others in sorted order.
    """
    if log.position is None:
        return np.zeros(log.n, dtype=np.int64) if n_columns == 1 else None
    if _counts_positions(log) and not log.has_declared_positions:
        value = np.array([int(label) for label in log.positions], dtype=np.int64)
        if value.max() < n_columns:
            return value[log.position]
        counts_from_1 = value.max() == n_columns and value.min() >= 1
        return value[log.position] - 1 if counts_from_1 else None
    return log.position if len(log.positions) == n_columns else None


def _counts_positions(log: FlatLog) -> bool:
    return all(label.isdecimal() for label in log.positions)


def _by_position(
    table: Floats, log: FlatLog, path: Path, column_of_row: Ints
) -> tuple[FlatLog, ActionProbabilities]:
    """Take a table (n_actions, n_positions), one distribution a column."""
    log = _with_n_actions(log, len(table), path)
    columns = np.ascontiguousarray(table.T)
    one = len(columns) == 1
    check_distributions(columns, path, lambda number: "" if one else f"position column {number}")
    return log, ActionProbabilities(columns, column_of_row)


def _from_rows(
    table: Floats, log: FlatLog, path: Path, row_of_log: Ints | None = None
) -> tuple[FlatLog, ActionProbabilities]:
    """Take a table (n, n_actions), its rows those of the log or found by the given numbers."""
    log = _with_n_actions(log, table.shape[1], path)
    check_distributions(table, path, lambda number: f"row {number + 1}")
    return log, ActionProbabilities(table if row_of_log is None else table[row_of_log])


def _with_n_actions(log: FlatLog, n_actions: int, path: Path) -> FlatLog:
    """Return the log with a catalogue of exactly n_actions options in a certain order."""
    if n_actions == log.n_actions:
        require_order(log, path)
        return log
    if n_actions > log.n_actions and log.has_integer_actions:
        return replace(log, options=tuple(map(str, range(n_actions))))
    if log.has_integer_actions:
        unknown = np.flatnonzero(log.action >= n_actions)
        raise wrong(
            path,
            f"the policy has {n_actions} actions; {len(unknown)} of {log.n} rows of the log hold "
            f"an unknown action (first: row {unknown[0] + 1}, action {log.action[unknown[0]]})",
            "give every logged action a probability, 0 where it is never chosen",
        )
    raise wrong(
        path,
        f"the policy has {n_actions} actions, the log's catalogue {log.n_actions}",
        "list the catalogue in the mapping, options = [...], or name the actions in a table",
    )
