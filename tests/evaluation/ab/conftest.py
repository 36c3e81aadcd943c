"""Experiments built from plain arrays."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from cpz.ingest.experiments.metrics_file import Experiment, experiment_of
from cpz.ingest.experiments.units import UnitTable, unit_table

Units = Callable[..., UnitTable]
Spec = Callable[..., Experiment]


@pytest.fixture(scope="session")
def spec() -> Spec:
    """Build an experiment from its metrics; the columns are unit, arm and, if asked, day."""

    def build(metrics: Mapping[str, Mapping[str, Any]], **top: Any) -> Experiment:
        document = {"variant": "arm", "control": "0", "metrics": metrics, **top}
        return experiment_of(document, "test")

    return build


@pytest.fixture(scope="session")
def units() -> Units:
    """Build checked units from an experiment and columns."""

    def build(experiment: Experiment, **columns: npt.ArrayLike) -> UnitTable:
        frame = pl.DataFrame({name: np.asarray(values) for name, values in columns.items()})
        return unit_table(frame, experiment, Path("units"))

    return build


@pytest.fixture(scope="session")
def shop() -> Callable[[int, int], dict[str, npt.NDArray[np.float64]]]:
    """Draw n shoppers of a seed: orders, sessions, revenue, a purchase, and what came before."""

    def draw(seed: int, n: int) -> dict[str, npt.NDArray[np.float64]]:
        rng = np.random.default_rng(seed)
        taste = rng.gamma(2.0, 0.5, n)
        sessions = 1 + rng.poisson(2 * taste)
        orders = rng.binomial(sessions, 0.3)
        return {
            "orders": orders.astype(np.float64),
            "sessions": sessions.astype(np.float64),
            "bought": (orders > 0).astype(np.float64),
            "revenue": orders * rng.gamma(3.0, 20.0, n),
            "orders_pre": rng.poisson(taste).astype(np.float64),
            "sessions_pre": (1 + rng.poisson(2 * taste)).astype(np.float64),
        }

    return draw
