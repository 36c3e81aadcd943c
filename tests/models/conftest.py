"""The features tests' checkout log, and a model trained on it once."""

import runpy
from pathlib import Path
from typing import cast

import pytest

from cpz.data.dataset import Dataset
from cpz.features.assemble import decision_batch
from cpz.features.decision_batch import DecisionBatch
from cpz.models.trained import TrainedModel, TrainingConfig
from cpz.models.training import train

_MAKER = Path(__file__).parent.parent / "features" / "conftest.py"


@pytest.fixture(scope="session")
def checkout_log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    make = runpy.run_path(str(_MAKER))["make_dataset"]
    return cast("Dataset", make(tmp_path_factory.mktemp("workspace"), 500))


@pytest.fixture(scope="session")
def payment(checkout_log: Dataset) -> DecisionBatch:
    return decision_batch(checkout_log, "payment")


@pytest.fixture(scope="session")
def trained(checkout_log: Dataset) -> TrainedModel:
    return train(checkout_log, TrainingConfig(n_trees=60))
