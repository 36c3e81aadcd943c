"""Answering requests in process, beside decoding, encoding and small arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cpz.bench.workload import Prepared, Workload

if TYPE_CHECKING:
    from cpz.features.shopper_state import ShopperState
    from cpz.models.trained import TrainedModel
    from cpz.serving.scoring.decider import Decider

NOW_US = 1_710_000_000_000_000


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    import msgspec
    import numpy as np

    from cpz.serving.messages import Recommend
    from cpz.serving.scoring.decider import Decider
    from cpz.serving.scoring.served_model import Routing, ready

    trained = _train(sizes["decisions"], sizes["trees"])
    decider = Decider(Routing(ready(trained, "bench", "v1", "epsilon_greedy")), seed=1)
    state = _state(decider, sizes["events"])
    bodies = [_body(request) for request in range(sizes["requests"])]
    decoder, encoder = msgspec.json.Decoder(Recommend), msgspec.json.Encoder()
    plain = msgspec.json.Decoder()
    row = np.arange(32.0)

    def work() -> None:
        for body in bodies:
            encoder.encode(decider.decide(decoder.decode(body), state, NOW_US).reply)

    def calibrate() -> None:
        for body in bodies:
            for _ in range(sizes["calibration_rounds"]):
                document = plain.decode(body)
                ordered = sorted(document["context"].items())
                float(np.exp(row - row.max()).sum())
                encoder.encode(dict(ordered))

    return Prepared(work, calibrate)


def _train(n: int, n_trees: int) -> "TrainedModel":
    """Return a model of payment decisions with exactly n_trees trees."""
    import numpy as np

    from cpz.bench.shopping import payment_decisions
    from cpz.features.declarations import FEATURES
    from cpz.models.baselines import fit_popularity
    from cpz.models.calibration import calibrate
    from cpz.models.fitting import TreeConfig, outcome_fit
    from cpz.models.split import Split
    from cpz.models.trained import (
        PlacementModel,
        PlacementSummary,
        TrainedModel,
        TrainingConfig,
    )

    batch = payment_decisions(n)
    outcome = outcome_fit(batch, TreeConfig(n_trees=n_trees))(np.arange(n))
    calibration = calibrate(batch.reward, batch.reward, is_binary=True)
    popularity = fit_popularity(batch, np.ones((n, len(batch.options))))
    summary = PlacementSummary(n, 0, float(batch.reward.mean()), 0.0, calibration, ())
    part = PlacementModel(outcome, popularity, 0.1, summary)
    config = TrainingConfig(n_trees=n_trees)
    return TrainedModel("bench", "", config, Split(0.25, 0), FEATURES, {"payment": part})


def _state(decider: "Decider", n_events: int) -> "ShopperState":
    """Return a shopper with events over the last four weeks."""
    from cpz.bench.shopping import EVENTS, OPTIONS
    from cpz.features.shopper_state import Event, ShopperState

    state = ShopperState(decider.plan)
    for number in range(n_events):
        at = NOW_US - (n_events - number) * 86_400_000_000 * 28 // n_events
        kind, step = EVENTS[number % len(EVENTS)]
        state.add(Event(at, at, number, kind, step, OPTIONS[number % len(OPTIONS)], 1_000 + number))
    return state


def _body(number: int) -> bytes:
    import msgspec

    from cpz.bench.shopping import CATEGORIES, COUNTRIES, DEVICES, OPTIONS
    from cpz.serving.messages import Place, Recommend

    return msgspec.json.encode(
        Recommend(
            request_id=f"request-{number}",
            shopper_id=number,
            session_id=number,
            context={
                "device": DEVICES[number % len(DEVICES)],
                "country": COUNTRIES[number % len(COUNTRIES)],
                "cart_value_minor": 1_000 + 37 * number,
                "n_items": 1 + number % 7,
                "top_category": CATEGORIES[number % len(CATEGORIES)],
                "is_digital": False,
                "promotion": number % 5 == 0,
            },
            shopper={"loyalty_tier": "gold", "stored_methods": list(OPTIONS[:2])},
            placements=[Place("payment", list(OPTIONS))],
        )
    )


WORKLOAD = Workload(
    name="serve",
    what="decode a request, read features, score eight options, draw, encode the reply",
    calibration="JSON both ways, a sort of pairs and a small NumPy softmax",
    sizes={
        "decisions": 4_000,
        "trees": 200,
        "events": 60,
        "requests": 50,
        "calibration_rounds": 20,
    },
    n_units=10,
    n_pairs=15,
    prepare=_prepare,
)
