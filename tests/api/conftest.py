"""A simulated log and a model of it, made by the public face once."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import cpz
from cpz.data import keyed


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def log(root: Path) -> cpz.Dataset:
    return cpz.simulate("tiny", sessions=3_000, seed=3, workspace=root)


@pytest.fixture(scope="session")
def model(log: cpz.Dataset) -> cpz.Model:
    return cpz.train(log, placement="payment", trees=20, labels="rewards")


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    """Two options, a uniform log; "wallet" earns 1 on phones and nothing elsewhere."""
    n = 2_000
    is_phone = keyed.uniform(1, "is_phone", np.arange(n)) < 0.5
    is_wallet = keyed.uniform(1, "is_wallet", np.arange(n)) < 0.5
    return pl.DataFrame(
        {
            "shown": np.where(is_wallet, "wallet", "card"),
            "bought": (is_phone & is_wallet).astype(np.int64),
            "chance": np.full(n, 0.5),
            "shopper": np.arange(n) // 2,
            "device": np.where(is_phone, "phone", "desktop"),
        }
    )
