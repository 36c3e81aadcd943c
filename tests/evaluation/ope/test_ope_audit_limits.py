"""The simulation behind the audit's limits on overlap: coverage in bands of each diagnostic."""

from dataclasses import dataclass

import numpy as np
import pytest

from cpz.data.arrays import Floats
from cpz.data.keyed import normal, uniform
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.audit.checks_overlap import largest_share
from cpz.evaluation.ope.interval import effective_sample_size, mean_interval
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.parameters import UNMODIFIED
from cpz.evaluation.ope.registry import find_estimator

N_CONTEXTS, N_ACTIONS, N_LOGS = 20, 10, 120
NAMES = ("ipw", "snipw", "dr")
CELL = np.arange(N_CONTEXTS * N_ACTIONS).reshape(N_CONTEXTS, N_ACTIONS)
SCORE = normal(1, "score", CELL)
RATE = 1 / (1 + np.exp(1.2 - 0.5 * SCORE - 0.8 * normal(1, "rate", CELL)))


@dataclass(frozen=True, slots=True)
class World:
    """Policies that disagree by `degree`, and mean rewards of `scale` times the common rates."""

    degree: float
    scale: float

    def policy(self, sign: float) -> Floats:
        exponential = np.exp(sign * self.degree * SCORE)
        return np.asarray(exponential / exponential.sum(axis=1, keepdims=True))

    def value(self) -> float:
        return float((self.policy(1.0) * RATE * self.scale).sum() / N_CONTEXTS)

    def log(self, n: int, seed: int) -> LoggedDecisions:
        """Draw a log; its outcome model sees half of each rate's deviation."""
        row = np.arange(n)
        rate, logging = RATE * self.scale, self.policy(-1.0)
        context = (uniform(seed, "context", row) * N_CONTEXTS).astype(np.int64)
        cumulative = logging.cumsum(axis=1)[context, :-1]
        action = (uniform(seed, "action", row)[:, None] > cumulative).sum(axis=1)
        reward = (uniform(seed, "reward", row) < rate[context, action]).astype(np.float64)
        columns = LogColumns(action, reward, logging[context, action])
        model = 0.5 * (rate + rate.mean())
        return logged_decisions(
            columns, ActionProbabilities(self.policy(1.0), context), model[context]
        )


def _row(world: World, n: int, seed: int) -> list[float]:
    log = world.log(n, seed)
    covered = []
    for name in NAMES:
        low, high = mean_interval(find_estimator(name).influence(log, UNMODIFIED).psi).ci
        covered.append(float(low <= world.value() <= high))
    return [
        effective_sample_size(log.weight),
        largest_share(log.weight),
        effective_sample_size(log.weight * log.reward),
        *covered,
    ]


@pytest.fixture(scope="module")
def logs() -> Floats:
    """Return per log: ESS, largest share, effective events, covered by ipw, snipw, dr."""
    rows: list[list[float]] = []
    for n in (500, 2000, 10_000):
        for degree in (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0):
            for scale in (1.0, 0.3, 0.1, 0.03):
                first = len(rows)
                rows += [_row(World(degree, scale), n, first + seed) for seed in range(N_LOGS)]
    return np.array(rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "low", "high", "coverage"),
    [
        (0, 10, 20, (0.69, 0.67, 0.65)),
        (0, 50, 75, (0.86, 0.84, 0.78)),
        (0, 150, 200, (0.94, 0.93, 0.92)),
        (0, 200, 300, (0.94, 0.94, 0.94)),
        (0, 500, 1e9, (0.96, 0.96, 0.95)),
        (1, 0.5, 1.1, (0.67, 0.60, 0.73)),
        (1, 0.1, 0.2, (0.91, 0.91, 0.89)),
        (1, 0.0, 0.02, (0.96, 0.96, 0.96)),
        (2, 2, 5, (0.80, 0.79, 0.78)),
        (2, 20, 30, (0.89, 0.87, 0.89)),
        (2, 30, 50, (0.93, 0.92, 0.93)),
    ],
)
def test_coverage_in_bands(
    logs: Floats, column: int, low: float, high: float, coverage: tuple[float, float, float]
) -> None:
    """The table in `checks_overlap`; the last digit may turn on another platform's log and exp."""
    inside = logs[(logs[:, column] >= low) & (logs[:, column] < high)]
    assert len(inside) >= 400
    assert inside[:, 3:].mean(axis=0) == pytest.approx(np.array(coverage), abs=0.01)
