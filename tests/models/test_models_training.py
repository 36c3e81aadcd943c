from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset, build
from cpz.data.errors import (
    DataError,
    MissingColumnError,
    NotEnoughDataError,
    NotFoundError,
    UsageError,
)
from cpz.data.manifest import Recipe
from cpz.data.policy import Visits
from cpz.data.workspace import Workspace
from cpz.features.decision_batch import DecisionBatch
from cpz.models.baselines import fit_popularity, popularity_weights
from cpz.models.fitting import fit_outcome
from cpz.models.offered_policies import POLICIES
from cpz.models.trained import TrainedModel, TrainingConfig
from cpz.models.training import load_batches, train


def test_one_model_per_placement(trained: TrainedModel, checkout_log: Dataset) -> None:
    assert list(trained.placements) == ["payment", "shipping"]
    assert trained.dataset_digest == checkout_log.manifest.digest
    summary = trained.placement("payment").summary
    assert summary.n_train + summary.n_test == 2000
    assert summary.n_test == 500
    assert sum(share for _, share in summary.gain_share) <= 1 + 1e-12


def test_stored_methods_decide(trained: TrainedModel) -> None:
    # two thirds of shoppers store the favourite that decides conversion
    shares = dict(trained.placement("payment").summary.gain_share)
    assert max(shares, key=lambda name: shares[name]) == "is_stored_method"


def test_greedy_beats_popularity_on_held_out_rows(
    trained: TrainedModel, payment: DecisionBatch
) -> None:
    test = payment.take(trained.split.is_test(payment))
    assert test.action is not None
    assert test.propensity is not None
    part = trained.placement("payment")
    values = {}
    for name in part.policy_names:
        pi = part.policy(name).propensities(test.visits)
        weight = pi[np.arange(len(test)), test.action] / test.propensity
        values[name] = float((weight * test.reward).sum() / weight.sum())
    # truth: favourite shown converts at 0.7, anything else at 0.25; knowing two thirds of the
    # favourites gives at least 0.5, the country's favourite about 0.4; se of each is about 0.04
    assert values["greedy"] > values["popularity"]
    assert values["greedy"] > values["uniform"] + 0.04


def test_policies_satisfy_the_protocol(trained: TrainedModel, payment: DecisionBatch) -> None:
    part = trained.placement("payment")
    promised = ("greedy", "epsilon_greedy", "popularity", "last_used", "uniform")
    assert set(promised) <= set(part.policy_names)
    assert part.policy_names == tuple(offered.name for offered in POLICIES)
    for offered in POLICIES:
        policy = part.policy(offered.name)
        assert policy.name == offered.name
        pi = policy.propensities(payment.visits)
        assert policy.placement == "payment"
        assert part.is_exploring(offered.name) == offered.is_exploring
        has_choice = payment.visits.eligible.sum(axis=1) > 1
        assert ((pi > 0).sum(axis=1)[has_choice] > 1).any() == offered.is_exploring
        assert pi.shape == payment.visits.eligible.shape
        assert (pi[~payment.visits.eligible] == 0).all()
        np.testing.assert_allclose(pi.sum(axis=1), 1.0, atol=1e-12)
        policy.observe(pl.DataFrame())


def test_epsilon_spreads_evenly(trained: TrainedModel, payment: DecisionBatch) -> None:
    part = trained.placement("payment")
    greedy = part.policy("greedy").propensities(payment.visits)
    soft = part.policy("epsilon_greedy").propensities(payment.visits)
    k = payment.visits.eligible.sum(axis=1)[:, None]
    expected = 0.9 * greedy + 0.1 * payment.visits.eligible / k
    np.testing.assert_allclose(soft, expected, atol=1e-12)


def test_last_used_shows_the_last_method(trained: TrainedModel, payment: DecisionBatch) -> None:
    part = trained.placement("payment")
    pi = part.policy("last_used").propensities(payment.visits)
    fallback = part.policy("popularity").propensities(payment.visits)
    n_known = 0
    for row, last in enumerate(payment.context["last_payment_method"].to_list()):
        code = payment.options.index(last) if last else -1
        if last and payment.visits.eligible[row, code]:
            assert pi[row, code] == 1.0
            n_known += 1
        else:
            assert (pi[row] == fallback[row]).all()
    assert n_known > 500


def test_last_used_needs_its_column(trained: TrainedModel, payment: DecisionBatch) -> None:
    bare = Visits(
        "payment", payment.options, payment.visits.eligible, payment.context.select("country")
    )
    with pytest.raises(MissingColumnError, match="last_payment_method"):
        trained.placement("payment").policy("last_used").propensities(bare)


def test_unknown_policy_and_placement(trained: TrainedModel) -> None:
    with pytest.raises(UsageError) as caught:
        trained.placement("payment").policy("gredy")
    assert "greedy" in caught.value.hint
    with pytest.raises(NotFoundError) as missing:
        trained.placement("paymnet")
    assert "payment" in missing.value.hint


def test_popularity_counts_purchases_by_country(
    checkout_log: Dataset, payment: DecisionBatch
) -> None:
    weights = popularity_weights(checkout_log, payment)
    assert weights.sum() == payment.reward.sum()
    shares = fit_popularity(payment, weights).shares
    assert set(shares) == {"", "DE", "NL", "US"}
    total = weights.sum(axis=0)
    assert shares[""] == pytest.approx(tuple(total / total.sum()))
    in_nl = (payment.context["country"].cast(pl.String) == "NL").to_numpy()
    counted = weights[in_nl].sum(axis=0)
    mixed = (counted + 10 * total / total.sum()) / (counted.sum() + 10)
    assert shares["NL"] == pytest.approx(tuple(mixed))


def test_popularity_falls_back_to_rewarded_actions(tmp_path: Path) -> None:
    dataset = flat_log(tmp_path, reward=[1.0, 0.0, 3.0, 0.0] * 20)
    batch = load_batches(dataset)[0]
    shares = fit_popularity(batch, popularity_weights(dataset, batch)).shares
    assert shares == {"": (0.25, 0.75)}


def test_popularity_of_nothing_is_even(payment: DecisionBatch) -> None:
    shares = fit_popularity(payment, np.zeros((len(payment), 4))).shares
    assert shares[""] == (0.25,) * 4


def flat_log(root: Path, reward: list[float]) -> Dataset:
    n = len(reward)
    frame = pl.DataFrame(
        {
            "decision_id": range(n),
            "session_id": range(n),
            "shopper_id": range(n),
            "placement": ["default"] * n,
            "action": ["a", "a", "b", "b"] * (n // 4),
            "reward": reward,
        }
    )
    recipe = Recipe(kind="imported", placements={"default": ("a", "b")})
    return build(Workspace(root), "flat", recipe, [lambda: {"decisions": frame.to_arrow()}])


def test_a_log_without_propensities_times_or_context_trains(tmp_path: Path) -> None:
    trained = train(flat_log(tmp_path, [1.0, 0.0, 1.0, 1.0] * 50))
    assert trained.split.cut_us is None
    part = trained.placement("default")
    assert "last_used" not in part.policy_names
    assert {"greedy", "epsilon_greedy", "popularity", "uniform"} <= set(part.policy_names)
    # a is rewarded half of the time, b always
    visits = load_batches(flat_log(tmp_path, [1.0, 0.0, 1.0, 1.0] * 50))[0].visits
    assert (part.policy().propensities(visits)[:, 1] == 1).all()


def test_constant_reward_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="reward 0"):
        train(flat_log(tmp_path, [0.0] * 40))


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    shoppers = pl.DataFrame({"shopper_id": [1]})
    dataset = build(
        Workspace(tmp_path),
        "only",
        Recipe(kind="imported"),
        [lambda: {"shoppers": shoppers.to_arrow()}],
    )
    with pytest.raises(DataError, match="neither"):
        train(dataset)


def test_configuration_is_checked(checkout_log: Dataset) -> None:
    with pytest.raises(UsageError, match="epsilon"):
        train(checkout_log, TrainingConfig(epsilon=1.5))
    with pytest.raises(UsageError, match="labels"):
        train(checkout_log, TrainingConfig(labels="reward"))
    with pytest.raises(NotFoundError):
        train(checkout_log, TrainingConfig(placements=("offers",)))


def test_outcomes_after_the_cut_change_no_model(
    checkout_log: Dataset, trained: TrainedModel, payment: DecisionBatch
) -> None:
    # flip every held-out reward: models, encoders and shares must stay the same to the byte
    is_test = trained.split.is_test(payment)
    flipped = replace(payment, reward=np.where(is_test, 1 - payment.reward, payment.reward))
    part = flipped.take(~trained.split.is_test(flipped))
    again = fit_outcome(part, trained.config.trees)
    outcome = trained.placement("payment").outcome
    assert again.booster.model_to_string() == outcome.booster.model_to_string()
    assert again.inputs == outcome.inputs


def test_progress_names_the_stages(checkout_log: Dataset) -> None:
    seen: list[str] = []
    train(checkout_log, TrainingConfig(placements=("shipping",), n_trees=5), seen.append)
    assert len(seen) == 2
    assert "shipping" in seen[-1]


def test_cross_fitting_keeps_the_number_of_trees(trained: TrainedModel) -> None:
    trees = trained.cross_fit_trees("payment")
    assert trees.n_trees == trained.placement("payment").outcome.n_trees
    assert trees.learning_rate == trained.config.learning_rate
