"""An evaluation policy from a table with the columns action, optionally position, probability."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import nearest
from cpz.data.probabilities import ActionProbabilities
from cpz.ingest.files.readers import column
from cpz.ingest.logs import casts
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.option_order import sort_options
from cpz.ingest.policies.distributions import check_distributions, wrong


def from_table(
    frame: pl.DataFrame, log: FlatLog, path: Path
) -> tuple[FlatLog, ActionProbabilities]:
    """Take rows (action[, position], probability); a pair that is not listed has probability 0."""
    actions = _actions(frame, log, path)
    probability = _probabilities(frame, path)
    log = with_options(log, actions, path)
    positions, position_of_row = _positions(frame, log, path)
    names = sorted(set(positions))
    index = {name: number for number, name in enumerate(names)}
    option = {name: number for number, name in enumerate(log.options)}
    row = np.array([index[name] for name in positions], dtype=np.int64)
    cells = row * log.n_actions + np.array([option[name] for name in actions], dtype=np.int64)
    _refuse_repeats(cells, actions, path)
    flat = np.zeros(len(names) * log.n_actions)
    flat[cells] = probability
    table = flat.reshape(len(names), log.n_actions)
    check_distributions(
        table, path, lambda number: f"position {names[number]}" if names[number] else ""
    )
    table_row = np.array([index[name] for name in position_of_row], dtype=np.int64)
    return log, ActionProbabilities(table, table_row[_position_codes(log)])


def _probabilities(frame: pl.DataFrame, path: Path) -> Floats:
    raw = column(frame, "probability", path)
    probability = casts.to_float(raw)
    unreadable = probability.bad | probability.missing()
    if unreadable.any():
        first = unreadable.arg_max() or 0
        raise wrong(path, f"probability: row {first + 1} is not a number ({raw[first]!r})")
    return probability.values.to_numpy()


def _refuse_repeats(cells: Ints, actions: list[str], path: Path) -> None:
    _, first_seen = np.unique(cells, return_index=True)
    if len(first_seen) < len(cells):
        repeat = int(np.setdiff1d(np.arange(len(cells)), first_seen)[0])
        raise wrong(path, f"row {repeat + 1} lists action {actions[repeat]!r} a second time")


def _position_codes(log: FlatLog) -> Ints:
    return np.zeros(log.n, dtype=np.int64) if log.position is None else log.position


def _actions(frame: pl.DataFrame, log: FlatLog, path: Path) -> list[str]:
    """Return the actions as the log writes them: declared options are texts as they stand."""
    raw = column(frame, "action", path)
    cast = casts.to_id if log.is_closed else casts.to_option
    return _present(cast(raw).values.cast(pl.String), "action", path)


def _labels(frame: pl.DataFrame, name: str, path: Path) -> list[str]:
    labels = casts.to_option(column(frame, name, path)).values.cast(pl.String)
    return _present(labels, name, path)


def _present(labels: pl.Series, name: str, path: Path) -> list[str]:
    if labels.null_count():
        first = labels.is_null().arg_max()
        raise wrong(path, f"{name}: row {(first or 0) + 1} is missing")
    return labels.to_list()


def with_options(log: FlatLog, actions: Sequence[str], path: Path) -> FlatLog:
    """Return the log with the policy's options added; refuse a logged action it does not list."""
    new = [action for action in dict.fromkeys(actions) if action not in log.options]
    if new and log.is_closed:
        raise wrong(
            path,
            f"unknown action {new[0]!r}",
            f"in the mapping's options: {', '.join(log.options)}",
        )
    logged = np.unique(log.action)
    unlisted = [code for code in logged if log.options[code] not in set(actions)]
    if unlisted:
        rows = np.flatnonzero(log.action == unlisted[0])
        name = log.options[unlisted[0]]
        raise wrong(
            path,
            f"the policy lists no action {name!r}, which {len(rows)} of {log.n} rows of the log "
            f"hold (first: row {rows[0] + 1})",
            f"{nearest(name, actions)} List it with probability 0 if it is never chosen",
        )
    if new and log.has_integer_actions and all(name.isdecimal() for name in new):
        return replace(log, options=tuple(map(str, range(max(map(int, new)) + 1))))
    return replace(log, options=log.options + sort_options(new))


def _positions(frame: pl.DataFrame, log: FlatLog, path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the position of each table row, and of each position code of the log.

    Where the table has no column position it holds for all of them, under the label "".
    """
    if "position" not in frame.columns:
        return [""] * len(frame), ("",) * max(1, len(log.positions))
    if log.position is None:
        raise wrong(
            path, "the policy has a column position, the log has none", "map `position` in the log"
        )
    positions = _labels(frame, "position", path)
    missing = [label for label in log.positions if label not in positions]
    if missing:
        rows = np.flatnonzero(log.position == log.positions.index(missing[0]))
        raise wrong(
            path,
            f"the policy has no position {missing[0]!r}, which {len(rows)} of {log.n} rows of the "
            f"log hold (first: row {rows[0] + 1})",
            f"the policy's positions are {', '.join(sorted(set(positions))[:8])}",
        )
    return positions, log.positions
