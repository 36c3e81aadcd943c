"""The online engine on a simulated stream: observing, reading, and the batch engine beside it.

Prints one JSON document: events observed a second, microseconds a read, and the ratio of a read to
the batch engine's cost per decision, medians of interleaved rounds; and whether every cell agreed.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from cpz.data.workspace import Workspace
from cpz.features.assemble import decision_batch
from cpz.features.batch import event_features
from cpz.features.declarations import FEATURES, Source
from cpz.features.history import microseconds, sort_events
from cpz.features.online import OnlineFeatures
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asked = [feature for feature in FEATURES if feature.source is Source.EVENTS]
    with tempfile.TemporaryDirectory() as folder:
        config = SimulationConfig("bench", arguments.sessions, 0, 1)
        scenario = load_scenario("baseline", ())
        dataset = simulate(Workspace(Path(folder)), scenario, config, lambda _: None)
        events = dataset.frame("events")
        ids = decision_batch(dataset, "payment").ids
    shopper, t = ids["shopper_id"], microseconds(ids["decided_at"])
    seconds: dict[str, list[float]] = {"observe": [], "read": [], "batch": []}
    is_equal = True
    for _ in range(arguments.rounds):
        online = OnlineFeatures(asked)
        began = time.perf_counter()
        online.observe(events)
        observed = time.perf_counter()
        got = online.frame(shopper, t)
        read = time.perf_counter()
        expected = event_features(sort_events(events), asked, shopper, t)
        seconds["observe"].append(observed - began)
        seconds["read"].append(read - observed)
        seconds["batch"].append(time.perf_counter() - read)
        is_equal &= got.equals(expected)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    document = {
        "benchmark": "online_features",
        "n_events": len(events),
        "n_reads": len(t),
        "n_features": len(asked),
        "events_per_s": len(events) / middle["observe"],
        "us_per_read": middle["read"] / len(t) * 1e6,
        "read_to_batch_ratio": middle["read"] / middle["batch"],
        "every_cell_equal": is_equal,
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
