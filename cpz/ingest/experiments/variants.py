"""The variants of an experiment: their names, and which of them are there."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from cpz.data.errors import DataError, nearest
from cpz.ingest.experiments.metrics_file import Experiment

MAX_VARIANTS = 50


def labels_of(raw: pl.Series) -> pl.Series:
    """Return a column as names; a whole number in a float column reads like an integer.

    A blank name is null.
    """
    if raw.dtype.is_float() and (raw.drop_nulls() == raw.drop_nulls().floor()).all():
        raw = raw.cast(pl.Int64, strict=False)
    text = raw.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def variants_of(
    label: pl.Series, experiment: Experiment, path: Path, first_row: Callable[[str], int]
) -> tuple[str, ...]:
    """Return the names of all variants, the control first, or raise `DataError`."""
    names = sorted(label.unique().to_list())
    planned = set(experiment.split)
    unknown = sorted(set(names) - planned)
    if len(names) > MAX_VARIANTS:
        raise DataError(
            f"{path}: {experiment.variant}: expected at most {MAX_VARIANTS} variants, "
            f"got {len(names)}",
            hint="name the column that holds the variant",
            path=str(path),
        )
    control = experiment.control_among(names)
    if control not in names:
        raise DataError(
            f"{path}: {experiment.variant}: no row of control {control!r}",
            hint=nearest(control, names),
            path=str(path),
        )
    if planned and unknown:
        row = first_row(unknown[0])
        raise DataError(
            f"{path}: {experiment.variant}: {unknown[0]!r} (first: row {row}) is not in the "
            f"planned split",
            hint=nearest(unknown[0], planned),
            path=str(path),
        )
    names = sorted({*names, *planned})
    return (control, *(name for name in names if name != control))
