"""Off-policy evaluation with every estimator, beside sums of products."""

from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    import numpy as np

    from cpz.bench.shopping import payment_decisions
    from cpz.data import keyed
    from cpz.data.probabilities import ActionProbabilities
    from cpz.evaluation.ope.evaluate import evaluate_policy
    from cpz.evaluation.ope.log import LogColumns, logged_decisions
    from cpz.evaluation.ope.registry import ESTIMATORS

    batch = payment_decisions(sizes["decisions"])
    assert batch.action is not None
    assert batch.propensity is not None
    rows, options = np.arange(len(batch))[:, None], np.arange(len(batch.options))[None, :]
    scores = keyed.uniform(1, "bench_scores", rows, options)
    policy = ActionProbabilities(scores / scores.sum(axis=1, keepdims=True))
    q_hat = 0.1 + 0.2 * scores
    columns = LogColumns(batch.action, batch.reward, batch.propensity, unit=batch.unit)
    estimators = tuple(estimator.name for estimator in ESTIMATORS)
    unit = np.asarray(batch.unit)

    def work() -> None:
        evaluate_policy(logged_decisions(columns, policy, q_hat), estimators)

    def calibrate() -> None:
        for _ in range(sizes["calibration_rounds"]):
            weight = (policy.table * q_hat).sum(axis=1)
            clustered = np.bincount(unit, weights=weight)
            float(clustered @ clustered)
            np.sort(weight)

    return Prepared(work, calibrate)


WORKLOAD = Workload(
    name="evaluate",
    what="validate a log, audit it, all estimators with clustered intervals and uplift",
    calibration="NumPy products, sums by group and a sort",
    sizes={"decisions": 20_000, "calibration_rounds": 6},
    n_units=10,
    n_pairs=15,
    prepare=_prepare,
)
