"""Columns of a decision log whose values repeat as those of a shopper or a session do."""

import numpy as np
import polars as pl

from cpz.data.arrays import Ints
from cpz.ingest.logs.mapping import DecisionMapping

#: Between these shares of the rows, values are neither categories nor all different.
_FEWEST, _MOST = 0.02, 0.95


def repeating_columns(source: pl.DataFrame, mapping: DecisionMapping) -> dict[str, Ints]:
    """Return the whole-number and text columns that may be the unit, each as (n,) codes.

    Columns that the mapping gives another meaning are left out, and so are numbers with a point:
    an amount repeats, too, and is nobody.
    """
    columns = mapping.columns
    known = {
        columns.action,
        columns.reward,
        columns.propensity,
        columns.position,
        columns.decided_at,
        columns.decision,
    }
    n = len(source)
    found: dict[str, Ints] = {}
    for name in source.columns:
        values = source[name]
        if name in known or not (values.dtype.is_integer() or values.dtype == pl.String):
            continue
        if not _FEWEST * n <= values.n_unique() <= _MOST * n or values.null_count() > 0:
            continue
        if values.dtype == pl.String and values.str.contains(".", literal=True).any():
            continue
        codes = np.unique(values.to_numpy(), return_inverse=True)[1]
        found[name] = codes.astype(np.int64)
    return found
