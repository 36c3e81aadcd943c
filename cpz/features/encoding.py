"""The numeric matrix a tree model reads, with vocabularies fitted on training rows only."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.errors import DataError, MissingColumnError, nearest

#: LightGBM bins at most 255 values by default; rarer levels of a longer column count as missing.
MAX_LEVELS = 254


@dataclass(frozen=True, slots=True)
class Encoder:
    """Columns and vocabularies, in the order of the matrix: numbers first, then categories.

    A category becomes its place in the vocabulary; an unknown or empty one becomes NaN, which
    LightGBM treats as missing. Plain values, so it is saved as JSON.

    Attributes:
        numbers: names of numeric and Boolean columns.
        categories: names and vocabularies of categorical columns.
    """

    numbers: tuple[str, ...]
    categories: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the matrix columns, m in all."""
        return self.numbers + tuple(name for name, _ in self.categories)

    @property
    def categorical_places(self) -> list[int]:
        """Return which matrix columns hold category codes."""
        return list(range(len(self.numbers), len(self.columns)))

    def require_columns(self, context: pl.DataFrame) -> None:
        """Raise `MissingColumnError` where the context lacks a column of the encoder."""
        for name in self.columns:
            if name not in context.columns:
                raise MissingColumnError(
                    f"the context has no column {name!r}, which the model reads",
                    hint=nearest(name, context.columns),
                )

    def transform(self, context: pl.DataFrame) -> Floats:
        """Return the matrix of shape (n, m), float64, NaN where missing.

        Raises:
            MissingColumnError: the context lacks a column that the encoder was fitted on.
            DataError: a numeric column holds text.

        >>> encoder = Encoder(("n_items",), (("device", ("desktop", "mobile")),))
        >>> encoder.transform(pl.DataFrame({"n_items": [2, None], "device": ["mobile", "tv"]}))
        array([[ 2.,  1.],
               [nan, nan]])
        """
        self.require_columns(context)
        matrix = np.empty((len(context), len(self.columns)))
        for place, name in enumerate(self.numbers):
            matrix[:, place] = _numbers(context[name])
        for place, (name, levels) in enumerate(self.categories, start=len(self.numbers)):
            matrix[:, place] = _codes(context[name], levels)
        return matrix


def fit_encoder(context: pl.DataFrame) -> Encoder:
    """Read column kinds and vocabularies from training rows.

    Numbers, Booleans, text and categories are encoded; lists are left to option-level inputs.
    A column with more than `MAX_LEVELS` levels keeps the most frequent ones (ties by name).
    """
    numbers: list[str] = []
    categories: list[tuple[str, tuple[str, ...]]] = []
    for name, kind in context.schema.items():
        if kind.is_numeric() or kind == pl.Boolean:
            numbers.append(name)
        elif kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
            categories.append((name, _vocabulary(context[name])))
    return Encoder(tuple(numbers), tuple(categories))


def _vocabulary(column: pl.Series) -> tuple[str, ...]:
    levels = column.cast(pl.String).drop_nulls().alias("level")
    counts = levels.value_counts(name="rows").sort(["rows", "level"], descending=[True, False])
    return tuple(sorted(counts["level"].head(MAX_LEVELS).to_list()))


def _numbers(column: pl.Series) -> Floats:
    try:
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    except pl.exceptions.InvalidOperationError as error:
        raise DataError(
            f"{column.name}: expected numbers as in training, got {column.dtype}",
            hint="import the column the same way as in the training dataset",
        ) from error


def _codes(column: pl.Series, levels: tuple[str, ...]) -> Floats:
    if not levels:
        return np.full(len(column), np.nan)
    coded = column.cast(pl.String).replace_strict(
        levels, list(range(len(levels))), default=None, return_dtype=pl.Float64
    )
    return coded.fill_null(np.nan).to_numpy()
