"""How option lists and bit masks of the truth become tables."""

import numpy as np
import polars as pl
import pytest

from cpz.data.errors import DataError
from cpz.data.truth import bit_table, option_table

TRUTH = pl.DataFrame(
    {
        "payment_eligible": [0b1010, 0b0001, 0],
        "payment_potential": [0b1000, 0b0000, 0],
        "payment_expected": [[0.25, 0.5], [0.75], []],
    }
)


def test_values_stand_at_their_options() -> None:
    nan = np.nan
    expected = [[nan, 0.25, nan, 0.5], [0.75, nan, nan, nan], [nan] * 4]
    assert np.array_equal(option_table(TRUTH, "payment", "expected", 4), expected, equal_nan=True)


def test_potential_outcomes_are_0_and_1_where_an_option_was_eligible() -> None:
    nan = np.nan
    expected = [[nan, 0, nan, 1], [0, nan, nan, nan], [nan] * 4]
    assert np.array_equal(option_table(TRUTH, "payment", "potential", 4), expected, equal_nan=True)


def test_the_last_of_63_options_has_a_bit_too() -> None:
    table = bit_table(pl.Series([2**62, 1]), 63)
    assert np.flatnonzero(table[0]).tolist() == [62]
    assert np.flatnonzero(table[1]).tolist() == [0]


def test_a_list_of_another_length_is_refused() -> None:
    broken = TRUTH.with_columns(payment_expected=pl.Series([[0.25, 0.5], [0.75, 0.1], [0.3]]))
    with pytest.raises(DataError, match=r"payment_expected: 2 of 3 rows.*row 1, 2 values for 1"):
        option_table(broken, "payment", "expected", 4)
