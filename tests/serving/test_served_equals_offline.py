"""Served decisions equal offline features and model, compared with == for every row of a stream."""

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cpz.data.arrays import Floats
from cpz.data.dataset import Dataset
from cpz.data.policy import greedy_propensities
from cpz.features.assemble import decision_batch
from cpz.features.decision_batch import DecisionBatch
from cpz.models.offered_policies import POLICIES
from cpz.models.trained import TrainedModel
from cpz.serving.http.exchange import Exchange
from cpz.serving.http.service import Service
from cpz.serving.load.visits import event_items, visit_requests
from cpz.serving.log.decision_log import DecisionLog
from cpz.serving.messages import (
    Decided,
    DecisionLine,
    EventItem,
    Events,
    LogLine,
    Recommend,
    Recommendation,
)
from cpz.serving.metrics import Metrics
from cpz.serving.scoring.decider import Decider
from cpz.serving.scoring.placement import _greedy
from cpz.serving.scoring.served_model import Routing, ready
from cpz.serving.stores.store import MemoryStore


def replay(service: Service, dataset: Dataset) -> dict[tuple[int, str], Decided]:
    """Post events when they were received and ask when decisions were made, in order of time."""
    asked = [(r.decided_at_us or 0, 1, n, r) for n, r in enumerate(visit_requests(dataset))]
    told = [(e.received_at_us or 0, 0, n, e) for n, e in enumerate(event_items(dataset))]
    found: dict[tuple[int, str], Decided] = {}

    async def run() -> None:
        for _, _, _, item in sorted([*asked, *told], key=lambda entry: entry[:3]):
            if isinstance(item, EventItem):
                await service.observe(msgspec.json.encode(Events([item])))
                continue
            assert isinstance(item, Recommend)
            reply = await service.recommend(msgspec.json.encode(item), Exchange())
            decoded = msgspec.json.decode(reply, type=Recommendation)
            assert not decoded.context_only
            for decided in decoded.placements:
                found[int(item.session_id), decided.placement] = decided

    asyncio.run(run())
    return found


def assert_equal(
    batch: DecisionBatch,
    q_hat: Floats,
    propensities: Floats,
    found: dict[tuple[int, str], Decided],
) -> None:
    options = batch.options
    for row, session_id in enumerate(batch.ids["session_id"].to_list()):
        decided = found[session_id, batch.placement]
        scores = {option.option: option.score for option in decided.options}
        shares = {option.option: option.propensity for option in decided.options}
        eligible = np.flatnonzero(batch.visits.eligible[row])
        assert set(scores) == {options[code] for code in eligible}
        for code in eligible:
            assert scores[options[code]] == q_hat[row, code]
            assert shares[options[code]] == propensities[row, code]
        assert decided.propensity == shares[decided.action] > 0.0


@pytest.mark.parametrize("policy", [offered.name for offered in POLICIES])
def test_every_row_of_a_replayed_stream(
    policy: str, dataset: Dataset, trained: TrainedModel, tmp_path: Path
) -> None:
    decider = Decider(Routing(ready(trained, "default", "v1", policy)), seed=5, cache_size=100)
    service = Service(decider, MemoryStore(decider.plan), DecisionLog(tmp_path), Metrics())
    found = replay(service, dataset)
    for name, part in trained.placements.items():
        batch = decision_batch(dataset, name, trained.features)
        q_hat = part.outcome.q_hat(batch.visits)
        assert_equal(batch, q_hat, part.policy(policy).propensities(batch.visits), found)


def test_logged_features_equal_the_batch_engine(
    service: Service, dataset: Dataset, trained: TrainedModel, tmp_path: Path
) -> None:
    replay(service, dataset)
    service.log.close()
    decoder = msgspec.json.Decoder(LogLine)
    (path,) = tmp_path.glob("log-*.jsonl")
    every = [decoder.decode(line) for line in path.read_bytes().splitlines()]
    lines = [x for x in every if isinstance(x, DecisionLine) and x.placement == "payment"]
    batch = decision_batch(dataset, "payment", trained.features)
    place = {session: row for row, session in enumerate(batch.ids["session_id"].to_list())}
    names = list(lines[0].features)
    expected = batch.context.select(names).to_dicts()
    assert len(lines) == len(batch)
    for line in lines:
        assert line.features == expected[place[int(line.session_id)]]


@given(
    scores=st.lists(st.sampled_from((0.1, 0.2, 0.3)), min_size=1, max_size=30),
    epsilon=st.floats(0.0, 1.0),
)
@example(scores=[0.1] * 5, epsilon=0.1)
def test_the_policy_for_one_row_is_the_policy_for_many(scores: list[float], epsilon: float) -> None:
    """The catalogue above never has more than four eligible options; others round differently."""
    eligible = np.ones((1, len(scores)), dtype=np.bool_)
    offline = greedy_propensities(np.array([scores]), eligible, epsilon)
    assert _greedy(scores, epsilon) == tuple(offline[0].tolist())
