"""Whether the stamps of a log tell a row that was delivered twice from two rows that look alike."""

import polars as pl

#: Fewer pairs of one unit at two times than these do not say how often its rows look alike.
_FEWEST_PAIRS = 100


def tells_copies(stamp: pl.DataFrame, content: pl.DataFrame, unit: pl.Series | None) -> bool:
    """Return whether equal rows are more than what chance brings to rows with one stamp.

    Two rows with one stamp, such as a day, agree in content with some chance q, which the pairs
    with different stamps show: those of one unit, or all of them where units have few. Equal rows
    are copies where q accounts for less than half of them, or where rows with one stamp agree
    so often that they are nearer to always agreeing than to q.

    Args:
        stamp: n rows of what shall tell rows apart: ids, times, position.
        content: n rows of all else: action, reward, propensity, context.
        unit: (n,) the unit of each row, or None.

    >>> day, coin = pl.DataFrame({"day": [1, 1, 2, 2]}), pl.DataFrame({"r": [0, 1, 0, 1]})
    >>> tells_copies(day, coin, None), tells_copies(coin.rename({"r": "id"}), coin, None)
    (False, True)
    """
    alike = _n_pairs(stamp)
    copies = _n_pairs(pl.concat([stamp, content], how="horizontal"))
    if copies == 0.0:
        return alike == 0.0
    chance = _chance(content, unit, alike, copies)
    return chance * alike <= copies / 2 or copies / alike > (1 + chance) / 2


def _chance(content: pl.DataFrame, unit: pl.Series | None, alike: float, copies: float) -> float:
    """Return how often two rows with different stamps agree in content; 0 where there are none."""
    n = len(content)
    apart, agreeing = n * (n - 1) / 2 - alike, _n_pairs(content) - copies
    if unit is not None:
        of_units = unit.alias("stamp.unit").to_frame()
        within = _n_pairs(of_units) - alike
        if within >= _FEWEST_PAIRS:
            both = pl.concat([of_units, content], how="horizontal")
            apart, agreeing = within, _n_pairs(both) - copies
    return max(0.0, agreeing / apart) if apart > 0 else 0.0


def _n_pairs(rows: pl.DataFrame) -> float:
    """Return the number of pairs of equal rows."""
    sizes = rows.hash_rows().value_counts()["count"].cast(pl.Float64)
    return float((sizes * (sizes - 1) / 2).sum())
