"""A real session table: the purchase model must reach what plain LightGBM reaches on its split.

Data: UCI Online Shoppers Purchasing Intention, Sakar et al. 2018; see tests/fixtures/foreign.
"""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from scipy.stats import rankdata

from cpz.data.arrays import Floats
from cpz.data.dataset import Dataset, open_dataset
from cpz.data.workspace import Workspace
from cpz.features.encoding import fit_encoder
from cpz.ingest.logs.importing import import_log
from cpz.ingest.logs.mapping import load_mapping
from cpz.models.registry import load_model, save_model
from cpz.models.training import load_batches, predict_shown, train

ROOT = Path(__file__).parent.parent.parent


def auc(reward: Floats, score: Floats) -> float:
    """Return the Mann-Whitney probability that a buyer scores above a non-buyer."""
    n_buyers = reward.sum()
    ranks = float(rankdata(score)[reward > 0].sum())
    pairs = n_buyers * (len(reward) - n_buyers)
    return float((ranks - n_buyers * (n_buyers + 1) / 2) / pairs)


@pytest.fixture(scope="module")
def shoppers_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Dataset]:
    workspace = Workspace(tmp_path_factory.mktemp("online"))
    file = ROOT / "tests" / "fixtures" / "foreign" / "online_shoppers_intention.csv"
    import_log(workspace, file, load_mapping(ROOT / "examples" / "online_shoppers.toml"), "online")
    return workspace, open_dataset(workspace, "online")


def test_held_out_auc_is_that_of_plain_lightgbm(shoppers_log: tuple[Workspace, Dataset]) -> None:
    workspace, dataset = shoppers_log
    trained = train(dataset)
    (batch,) = load_batches(dataset)
    assert len(batch) == 12_330
    assert int(batch.reward.sum()) == 1_908
    assert len(batch.context.columns) == 17
    is_test = trained.split.is_test(batch)
    training, held_out = batch.take(~is_test), batch.take(is_test)
    ours = auc(held_out.reward, predict_shown(trained.placement("").outcome, held_out))

    encoder = fit_encoder(training.context)
    rows = lgb.Dataset(
        encoder.transform(training.context),
        label=training.reward,
        categorical_feature=encoder.categorical_places,
    )
    plain_model = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, rows, 100)
    scores = np.asarray(plain_model.predict(encoder.transform(held_out.context)))
    plain = auc(held_out.reward, scores)
    # the two models share all rows, so their difference is far steadier than either AUC, whose
    # standard error is about 0.006 with 480 buyers among 3,080 rows
    assert ours > plain - 0.003
    assert plain > 0.91

    save_model(workspace, "online", trained)
    again = load_model(workspace, "online").placement("").outcome
    np.testing.assert_array_equal(
        predict_shown(again, held_out), predict_shown(trained.placement("").outcome, held_out)
    )


def test_a_model_of_sessions_has_no_policy(shoppers_log: tuple[Workspace, Dataset]) -> None:
    _, dataset = shoppers_log
    part = train(dataset).placement("")
    assert part.policy_names == ()
    assert part.summary.calibration.slope == pytest.approx(1.0, abs=0.25)
