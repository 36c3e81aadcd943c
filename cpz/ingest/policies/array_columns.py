"""Which column of an array is which option: by name, or in an order that the log makes certain.

Options counted from 0 index an array, and a mapping that lists `options` says the order. For any
other catalogue the order is a guess, and a wrong guess is a wrong answer that looks right.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.errors import DataError
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.option_order import shown_order
from cpz.ingest.policies.distributions import wrong


def require_order(log: FlatLog, path: Path) -> None:
    """Refuse an array whose columns bear no names where the options are neither counted nor listed.

    Raises:
        DataError: the message shows the order that would have been taken.
    """
    if log.is_closed or log.has_integer_actions:
        return
    raise wrong(
        path,
        f"the array does not name its {log.n_actions} columns, and the log's options are texts: "
        f"the order of the columns is unknown",
        f"confirm or correct their order in the mapping: "
        f"options = [{shown_order(log.options)}]; or name the columns, by an array `options` in "
        "an .npz file or as a table's columns",
    )


def require_position_order(log: FlatLog, path: Path) -> None:
    """Refuse an array with a column per position where these are words in no known order."""
    if not log.has_declared_positions:
        raise wrong(
            path,
            "the array does not name its columns, and the log's positions are words: which column "
            "is which is not known",
            "confirm or correct their order in the mapping: "
            f"positions = [{shown_order(log.positions)}]; or write the policy as a table with the "
            "columns action, position, probability",
        )


def column_per_option(names: Sequence[str], options: tuple[str, ...]) -> list[str] | None:
    """Return the column of each option: named as it, or as it behind one prefix; None if neither.

    >>> column_per_option(["id", "q_1", "q_0"], ("0", "1"))
    ['q_0', 'q_1']
    >>> column_per_option(["a", "b"], ("0", "1")) is None
    True
    """
    known = set(names)
    ends = [name[: -len(options[0])] for name in names if name.endswith(options[0])]
    for prefix in ("", *(prefix for prefix in ends if prefix)):
        wanted = [prefix + option for option in options]
        if known.issuperset(wanted):
            return wanted
    return None


def reordered(array: Floats, axis: int, names: Sequence[str], options: tuple[str, ...]) -> Floats:
    """Return an array whose axis follows the options; an option without a name gets zeros.

    >>> reordered(np.array([0.75, 0.25]), 0, ["b", "a"], ("a", "b", "c"))
    array([0.25, 0.75, 0.  ])
    """
    place = {name: number for number, name in enumerate(names)}
    shape = list(array.shape)
    shape[axis] = len(options)
    result = np.zeros(shape)
    target, source = np.moveaxis(result, axis, 0), np.moveaxis(array, axis, 0)
    for number, option in enumerate(options):
        if option in place:
            target[number] = source[place[option]]
    return result


def named_axis(array: Floats, n_names: int, log: FlatLog, path: Path) -> int:
    """Return the axis of a policy along which its named options lie.

    Of n rows it is the last, else the first, that of distributions by position.
    """
    shape = array.shape
    is_per_row = shape == (log.n, n_names)
    has_columns = array.ndim == 2 and (log.position is not None or shape[1] == 1)
    is_per_position = shape == (n_names,) or (has_columns and shape[0] == n_names)
    if is_per_row and is_per_position:
        raise two_meanings(path, shape)
    if is_per_row or is_per_position:
        return int(is_per_row)
    raise wrong(path, f"shape {shape} has no axis of the {n_names} names in `options`")


def two_meanings(path: Path, shape: tuple[int, ...]) -> DataError:
    """Return the error for an array that can be read in two ways."""
    return wrong(
        path,
        f"shape {shape} can mean (n_actions, n_positions) or (n, n_actions)",
        "write the policy as a table with the columns action, position, probability",
    )
