"""DecisionColumns that may be the unit of a log that names none."""

from pathlib import Path

import numpy as np
import polars as pl

from cpz.ingest.logs.decision_rows import decision_rows
from cpz.ingest.logs.flat_log import flat_log
from cpz.ingest.logs.mapping import DecisionColumns, DecisionMapping

N = 400


def test_columns_that_repeat_like_a_shopper_are_kept(tmp_path: Path) -> None:
    row = np.arange(N)
    frame = pl.DataFrame(
        {
            "a": row % 2,
            "r": (row % 3 == 0) * 1.0,
            "p": np.full(N, 0.5),
            "shopper": [f"s{code}" for code in row // 4],
            "amount": [f"{code}.50" for code in row // 4],
            "device": row % 3,
            "row": row,
            "floats": row / 4 // 1.0,
        }
    )
    mapping = DecisionMapping(columns=DecisionColumns(action="a", reward="r", propensity="p"))
    log = flat_log(decision_rows(frame, mapping, tmp_path), mapping, tmp_path)
    assert list(log.likely_units) == ["shopper"]
    codes = log.likely_units["shopper"]
    assert len(set(zip(codes.tolist(), (row // 4).tolist(), strict=True))) == N // 4
    named = DecisionMapping(
        columns=DecisionColumns(action="a", reward="r", propensity="p", unit="shopper")
    )
    assert flat_log(decision_rows(frame, named, tmp_path), named, tmp_path).likely_units == {}
