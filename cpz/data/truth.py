"""The one door to sealed ground truth. Only simulator/, cli/ and benchmarks/ may import this."""

from collections.abc import Iterable

import polars as pl

from cpz.data.dataset import Dataset, part_files, read_parts
from cpz.data.errors import NotFoundError


def read_truth(dataset: Dataset, columns: Iterable[str] | None = None) -> pl.DataFrame:
    """Read the truth table of a simulated dataset, in session order."""
    if not dataset.is_simulated:
        raise NotFoundError(
            f"dataset {dataset.name!r} is imported: its true values are unknown",
            hint="drop --with-truth",
        )
    return read_parts(dataset, "truth", part_files(dataset, "truth"), columns)
