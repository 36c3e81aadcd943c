import msgspec
import numpy as np
import polars as pl
import pytest

from cpz.data.errors import DataError, MissingColumnError
from cpz.features.encoding import MAX_LEVELS, Encoder, fit_encoder

TRAINING = pl.DataFrame(
    {
        "device": pl.Series(["tv", "mobile", None, "tv"]).cast(pl.Categorical),
        "value": [3, None, 5, 6],
        "is_new": [True, False, None, True],
        "stored": [["card"], [], None, ["card"]],
        "city": ["b", "a", "b", "a"],
    }
)


def test_kinds_order_and_vocabularies() -> None:
    encoder = fit_encoder(TRAINING)
    assert encoder.numbers == ("value", "is_new")
    assert encoder.categories == (("device", ("mobile", "tv")), ("city", ("a", "b")))
    assert encoder.categorical_places == [2, 3]
    expected = [[3, 1, 1, 1], [np.nan, 0, 0, 0], [5, np.nan, np.nan, 1], [6, 1, 1, 0]]
    np.testing.assert_array_equal(encoder.transform(TRAINING), expected)


def test_unknown_levels_are_missing() -> None:
    encoder = Encoder((), (("device", ("mobile", "tv")), ("empty", ())))
    context = pl.DataFrame({"device": ["fridge", "tv"], "empty": ["x", "y"]})
    np.testing.assert_array_equal(encoder.transform(context), [[np.nan, np.nan], [1, np.nan]])


def test_only_the_most_frequent_levels_are_kept() -> None:
    names = [f"l{i:04d}" for i in range(MAX_LEVELS + 5)]
    column = names + names[5:]  # the first five are the rare ones
    (_, levels), *_ = fit_encoder(pl.DataFrame({"sku": column})).categories
    assert levels == tuple(names[5:])


def test_a_column_called_like_a_count_is_no_problem() -> None:
    assert fit_encoder(pl.DataFrame({"rows": ["a"], "level": ["b"]})).columns == ("rows", "level")


def test_large_money_is_exact() -> None:
    cents = 2**52 + 1
    assert Encoder(("v",), ()).transform(pl.DataFrame({"v": [cents]}))[0, 0] == cents


def test_json_round_trip() -> None:
    encoder = fit_encoder(TRAINING)
    assert msgspec.json.decode(msgspec.json.encode(encoder), type=Encoder) == encoder


def test_missing_column_suggests_the_nearest() -> None:
    with pytest.raises(MissingColumnError) as caught:
        Encoder(("cart_value",), ()).transform(pl.DataFrame({"cart_valeu": [1]}))
    assert "cart_valeu" in caught.value.hint


def test_text_where_numbers_were() -> None:
    with pytest.raises(DataError, match="value"):
        Encoder(("value",), ()).transform(pl.DataFrame({"value": ["many"]}))
