"""Off-policy evaluation of 1,000,000 rows x 10 actions: time, memory and ratio to a floor.

Run `python benchmarks/evaluation.py [--rows N] [--actions K]`. The floor is one pass that any
method must make: read the log, the policy and the predictions, and sum their products. It is timed
in the same process, interleaved with the work, so that the ratio holds on other machines.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.keyed import uniform
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.audit.auditing import audit
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.interval import mean_interval
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import find_estimator

SIX = ("ipw", "snipw", "dm", "dr", "switch_dr", "dr_os")
REPEATS = 5


def make_log(n: int, k: int) -> tuple[LogColumns, ActionProbabilities, Floats]:
    row = np.arange(n)
    scores = uniform(1, "scores", row[:, None], np.arange(k)[None, :])
    table = np.exp(scores)
    table /= table.sum(axis=1, keepdims=True)
    action = (uniform(1, "action", row) * k).astype(np.int64)
    q_hat = 0.02 + 0.05 * scores
    reward = (uniform(1, "reward", row) < q_hat[row, action]).astype(np.float64)
    columns = LogColumns(action, reward, np.full(n, 1.0 / k), unit=row // 2)
    return columns, ActionProbabilities(table), q_hat


def floor(columns: LogColumns, policy: ActionProbabilities, q_hat: Floats) -> float:
    total = float(np.einsum("ik,ik->", policy.table, q_hat))
    taken = policy.taken(columns.action) / columns.propensity
    return total + float((taken * columns.reward).sum())


def six_with_intervals(log: LoggedDecisions) -> None:
    for name in SIX:
        mean_interval(find_estimator(name).influence(log, EstimatorParameters()).psi, log.unit)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--actions", type=int, default=10)
    options = parser.parse_args()
    columns, policy, q_hat = make_log(options.rows, options.actions)
    before_mb = peak_mb()
    log = logged_decisions(columns, policy, q_hat)
    rows_log = LoggedDecisions(
        log.reward, log.propensity, log.policy_taken, log.q_taken, log.q_policy
    )
    work: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(columns, policy, q_hat),
        "reduce_to_vectors": lambda: logged_decisions(columns, policy, q_hat),
        "six_estimators_with_intervals": lambda: six_with_intervals(rows_log),
        "six_estimators_with_clustered_intervals": lambda: six_with_intervals(log),
        "audit": lambda: audit(log),
        "whole_evaluation": lambda: evaluate_policy(log, SIX),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(REPEATS):
        for name, run in work.items():
            times[name].append(seconds(run))
    median = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "benchmark": "off_policy_evaluation",
        "rows": options.rows,
        "actions": options.actions,
        "repeats": REPEATS,
        "seconds": {name: round(value, 4) for name, value in median.items()},
        "ratio_to_floor": {
            name: round(value / median["floor"], 2) for name, value in median.items()
        },
        "peak_mb": round(peak_mb()),
        "peak_mb_of_inputs": round(before_mb),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
