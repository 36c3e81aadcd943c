"""The scoring server against a constant answer on the same stack, both under `cpz load`.

One placement of ten options, 40 features, 200 trees of 31 leaves; metrics, limits, memory store and
decision log on. The two servers take turns, so that a busy machine slows both; the ratio is what
holds elsewhere. Prints one JSON document.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import msgspec
import numpy as np

from cpz.data import keyed
from cpz.data.policy import PopularityPolicy
from cpz.data.workspace import Workspace
from cpz.features.declarations import FEATURES
from cpz.features.encoding import Encoder
from cpz.models.calibration import Calibration
from cpz.models.option_inputs import OptionInput
from cpz.models.outcome import ModelInputs, OutcomeModel
from cpz.models.registry import save_model
from cpz.models.split import Split
from cpz.models.trained import PlacementModel, PlacementSummary, TrainedModel, TrainingConfig
from cpz.serving.load.load_test import LoadConfig, run_load
from cpz.serving.load.results import LoadResult
from cpz.serving.messages import Place, Recommend, Scalar
from cpz.serving.scoring.scorer import TableScorer, make_scorer

OPTIONS = tuple(f"option_{n}" for n in range(10))
DERIVED = (
    *("hour_of_day", "day_of_week", "tenure_days", "sessions_28d", "purchases_28d"),
    *("spend_28d_minor", "declines_7d", "declines_28d", "abandonments_7d"),
    *("since_visit_s", "since_purchase_s", "cart_value_minor", "n_items"),
)
N_FEATURES, N_TREES, N_LEAVES, N_ROWS = 40, 200, 31, 20_000

CONSTANT = """
import uvicorn
from fastapi import FastAPI
from starlette.routing import Route
BODY = b'{"x": "' + b"y" * 1000 + b'"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
class Constant:
    async def __call__(self, scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
app = FastAPI()
app.router.routes[:0] = [Route("/v1/recommend", Constant(), methods=["POST"])]
@app.get("/health/ready")
async def ready(): return {}
uvicorn.run(app, host="127.0.0.1", port=%d, loop="uvloop", http="httptools", access_log=False,
            log_level="warning")
"""


def make_model() -> TrainedModel:
    """Fit a model of the size that the figures of others were measured with."""
    at = np.arange(N_ROWS, dtype=np.int64)
    extra = tuple(f"x{n}" for n in range(N_FEATURES - len(DERIVED) - 2))
    numbers = DERIVED + extra
    x = np.column_stack([keyed.normal(0, "bench", at, n) for n in range(len(numbers))])
    x[:, : len(DERIVED)] = np.floor(np.abs(x[:, : len(DERIVED)]) * 20)
    is_last = (keyed.uniform(0, "last", at) < 0.1).astype(float)
    shown = np.floor(10 * keyed.uniform(0, "shown", at))
    signal = x[:, 5] / 50 + x[:, 14] * x[:, 20] + is_last + (shown % 3) / 2
    y = (signal + keyed.normal(0, "noise", at) > 0.5).astype(float)
    matrix = np.column_stack([x, is_last, shown])
    params = {"objective": "binary", "num_leaves": N_LEAVES, "verbosity": -1, "num_threads": 1}
    data = lgb.Dataset(matrix, y, categorical_feature=[matrix.shape[1] - 1])
    booster = lgb.train(params, data, N_TREES)
    last = OptionInput("is_last", "last_payment_method", "equals")
    inputs = ModelInputs("payment", OPTIONS, Encoder(numbers, ()), (last,), True, None, "binary")
    summary = PlacementSummary(N_ROWS, 0, 0.5, 0.5, Calibration(0, None, None, ()), ())
    popular = PopularityPolicy("payment", OPTIONS, {"": (0.1,) * 10})
    part = PlacementModel(OutcomeModel(inputs, booster), popular, 0.1, summary)
    return TrainedModel("bench", "0", TrainingConfig(), Split(0.25, 0), FEATURES, {"payment": part})


def visits(n: int) -> list[Recommend]:
    """Return requests that bring every context column."""
    made = []
    for number in range(n):
        u = keyed.normal(1, "visit", np.arange(30, dtype=np.int64), number).tolist()
        context: dict[str, Scalar] = {"cart_value_minor": 1000 + number, "n_items": 2}
        context |= {f"x{k}": u[k] for k in range(N_FEATURES - len(DERIVED) - 2)}
        made.append(Recommend("r", number % 500, number, context, {}, [Place("payment")]))
    return made


class Server:
    """A server process on a port of 127.0.0.1, stopped at the end."""

    def __init__(self, command: list[str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/health/ready", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(30)


def scorer_us(model: OutcomeModel) -> dict[str, float]:
    """Return microseconds for ten candidates: tables and LightGBM, taking turns."""
    scorer = make_scorer(model)
    assert isinstance(scorer, TableScorer)
    row = keyed.normal(2, "row", np.arange(N_FEATURES - 2, dtype=np.int64)).tolist()
    own = [(float(n == 3), float(n)) for n in range(10)]
    matrix = np.array([[*row, *item] for item in own])
    found: dict[str, list[float]] = {"tables": [], "lightgbm": []}
    for _ in range(7):
        for name, call in (
            ("tables", lambda: scorer.scores(row, own)),
            ("lightgbm", lambda: model.booster.predict(matrix, num_threads=1)),
        ):
            began = time.perf_counter()
            for _ in range(300):
                call()
            found[name].append((time.perf_counter() - began) / 300 * 1e6)
    return {name: round(statistics.median(values), 1) for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = make_model()
    requests = visits(2000)
    results: dict[str, list[LoadResult]] = {}
    with tempfile.TemporaryDirectory() as folder:
        save_model(Workspace(Path(folder)), "default", model)
        main_ = "from cpz.cli.app import main; main()"
        serve = [sys.executable, "-c", main_, "serve", "--port", "8471", "--workspace", folder]
        servers = {
            "cpz": Server([*serve, "--rate-limit", "1000000"], 8471),
            "constant": Server([sys.executable, "-c", CONSTANT % 8472], 8472),
        }
        for place, sync in enumerate(("always", "off"), 8473):
            command = [*serve, "--port", str(place), "--log", sync, "--log-sync", sync]
            servers[f"log_sync_{sync}"] = Server(command, place)
        try:
            for _ in range(arguments.rounds):
                for name, server in servers.items():
                    is_only_for_rate = name.startswith("log_sync")
                    base = LoadConfig(server.url, duration_s=arguments.seconds)
                    for mode, config in (
                        ("closed_32", replace(base, closed=32)),
                        ("open_1000", replace(base, rate_per_s=1000.0)),
                    ):
                        if is_only_for_rate and mode != "closed_32":
                            continue
                        results.setdefault(f"{name}.{mode}", []).append(run_load(config, requests))
        finally:
            for server in servers.values():
                server.stop()
    print(json.dumps(msgspec.to_builtins(document(model, results)), indent=1))


def document(model: TrainedModel, results: dict[str, list[LoadResult]]) -> dict[str, object]:
    """Return medians over rounds, and ratios."""

    def median(key: str, figure: str) -> float:
        found = [r.figure(figure) for r in results[key]]
        known = [value for value in found if value is not None]
        if len(known) < len(found):  # a latency of 0 would be the best there is
            raise SystemExit(f"{key}: too many requests failed to tell {figure}")
        return statistics.median(known)

    rate = {n: median(f"{n}.closed_32", "achieved_rate_per_s") for n in ("cpz", "constant")}
    synced = {
        sync: median(f"log_sync_{sync}.closed_32", "achieved_rate_per_s") / rate["cpz"]
        for sync in ("always", "off")
    }
    p99 = {n: median(f"{n}.open_1000", "p99_ms") for n in ("cpz", "constant")}
    p50 = {n: median(f"{n}.open_1000", "p50_ms") for n in ("cpz", "constant")}
    return {
        "benchmark": "serving",
        "requests_per_s_at_32_connections": rate,
        "ratio_to_constant": rate["cpz"] / rate["constant"],
        "ratio_of_log_sync_to_interval": synced,
        "p50_ms_at_1000_per_s": p50,
        "p99_ms_at_1000_per_s": p99,
        "errors": sum(r.n_errors for found in results.values() for r in found),
        "scorer_us_for_10_candidates": scorer_us(model.placements["payment"].outcome),
        "load_average": list(os.getloadavg()),
    }


if __name__ == "__main__":
    main()
