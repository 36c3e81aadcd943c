"""Coverage given a headline where rewards are skewed, and refusals where they are not.

Ten actions, five standard normal features x; scores s = x W, logging policy softmax(v) with
v = .4 x V, evaluation policy softmax(v + shift s), eta = c + .5 s / sqrt(5), and an outcome model
half-way between the true mean and its average.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import bdtr, expit, softmax

from cpz.data.arrays import Floats
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.reward_tail import reward_tail

SCORES = np.random.default_rng(5).standard_normal((5, 10))
LOGGING_SCORES = 0.4 * np.random.default_rng(6).standard_normal((5, 10))

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Kind:
    """A reward's mean and draws, given eta and sigma."""

    mean: Callable[[Floats, float], Floats]
    draw: Callable[[Floats, float, Rng], Floats]


def _hits(eta: Floats, rng: Rng) -> Floats:
    return np.asarray(rng.random(eta.shape) < expit(eta), dtype=np.float64)


def _lognormal(sigma: float, size: tuple[int, ...], rng: Rng) -> Floats:
    return np.asarray(np.exp(sigma * rng.standard_normal(size)))


LOGNORMAL = Kind(
    lambda eta, s: np.asarray(np.exp(eta + s * s / 2)),
    lambda eta, s, rng: np.exp(eta) * _lognormal(s, eta.shape, rng),
)
SPEND = Kind(
    lambda eta, s: expit(eta) * np.exp(3 + s * s / 2),
    lambda eta, s, rng: _hits(eta, rng) * np.exp(3) * _lognormal(s, eta.shape, rng),
)
LOSS = Kind(
    lambda eta, s: 5 - expit(eta) * (5 + np.exp(3 + s * s / 2)),
    lambda eta, s, rng: 5 - _hits(eta, rng) * (5 + np.exp(3) * _lognormal(s, eta.shape, rng)),
)
YES_NO = Kind(lambda eta, _: expit(eta), lambda eta, _, rng: _hits(eta, rng))


@dataclass(frozen=True, slots=True)
class World:
    """A setting; rows come `per_unit` to a shopper with one context."""

    kind: Kind
    c: float
    sigma: float
    n: int
    shift: float = 0.3
    per_unit: int = 1

    def mean(self, x: Floats) -> Floats:
        """Return (n, 10) mean rewards."""
        return self.kind.mean(self.c + 0.5 * (x @ SCORES) / np.sqrt(5), self.sigma)

    def policy(self, x: Floats, shift: float) -> Floats:
        """Return (n, 10) probabilities."""
        return np.asarray(softmax(x @ LOGGING_SCORES + shift * (x @ SCORES), axis=1))

    def truth(self, n: int) -> tuple[float, float, float]:
        """Return the values of the evaluation and the logging policy, and of all actions alike."""
        x = np.random.default_rng(1).standard_normal((n, 5))
        mean = self.mean(x)
        values = [(self.policy(x, shift) * mean).sum(axis=1).mean() for shift in (self.shift, 0.0)]
        return float(values[0]), float(values[1]), float(mean.mean())

    def log(self, average: float, seed: int) -> LoggedDecisions:
        """Draw a log and reduce it with its outcome model."""
        rng = np.random.default_rng(seed)
        unit = np.arange(self.n) // self.per_unit
        x = rng.standard_normal((self.n // self.per_unit, 5))[unit]
        logging, mean = self.policy(x, 0.0), self.mean(x)
        cumulative = logging.cumsum(axis=1)[:, :-1]
        action = (rng.random(self.n)[:, None] > cumulative).sum(axis=1)
        row = np.arange(self.n)
        eta = self.c + 0.5 * (x @ SCORES)[row, action] / np.sqrt(5)
        reward = self.kind.draw(eta, self.sigma, rng)
        units = None if self.per_unit == 1 else unit
        columns = LogColumns(action, reward, logging[row, action], unit=units)
        policy = ActionProbabilities(self.policy(x, self.shift))
        return logged_decisions(columns, policy, 0.5 * (mean + average))


@dataclass(frozen=True, slots=True)
class Tally:
    """Of how many logs there was a headline, and how often its intervals covered."""

    n_logs: int
    n_headlines: int
    n_values: int
    n_uplifts: int


def tally(world: World, n_logs: int, n_truth: int) -> Tally:
    """Evaluate logs of a world by dr, and count."""
    value, logged, average = world.truth(n_truth)
    n_headlines = n_values = n_uplifts = 0
    for seed in range(n_logs):
        result = evaluate_policy(world.log(average, 1000 + seed), ["dr"])
        if result.headline is None:
            continue
        n_headlines += 1
        low, high = result.policy_value["dr"].ci
        n_values += low <= value <= high
        low, high = result.uplift["dr"].ci
        n_uplifts += low <= value - logged <= high
    return Tally(n_logs, n_headlines, n_values, n_uplifts)


SKEWED = {
    "lognormal 2": World(LOGNORMAL, 2, 2.0, 2000),
    "lognormal 2.5": World(LOGNORMAL, 2, 2.5, 2000),
    "lognormal 3": World(LOGNORMAL, 2, 3.0, 10_000),
    "spend of 3 %": World(SPEND, -3.5, 1.5, 5000),
    "spend of 10 %": World(SPEND, -2.2, 2.0, 2000),
    "rare losses": World(LOSS, -4, 1.5, 3000),
}
PLAIN = {
    "mild shift": World(YES_NO, -1, 0, 2000),
    "middling overlap": World(YES_NO, -1, 0, 2000, shift=0.6),
    "ess 161": World(YES_NO, -1, 0, 2000, shift=2.1),
    "units": World(YES_NO, -1, 0, 4000, per_unit=4),
    "baskets": World(SPEND, -1, 0.7, 4000),
    "lognormal 1": World(LOGNORMAL, 2, 1.0, 2000),
}


@pytest.mark.parametrize("name", ["spend of 10 %", "rare losses"])
def test_headlines_on_skewed_rewards_cover(name: str) -> None:
    """Student's t covers .80; at .93 so few of the headlines cover with probability 1e-3."""
    found = tally(SKEWED[name], 120, 200_000)
    assert found.n_headlines >= 60
    assert bdtr(found.n_values, found.n_headlines, 0.93) > 1e-3
    assert bdtr(found.n_uplifts, found.n_headlines, 0.93) > 1e-3


def test_a_long_tail_reaches_far_on_its_side_and_on_both_of_the_uplift() -> None:
    """Skewness at its limit of 1: 6.1 standard errors on the long side instead of 1.96."""
    result = evaluate_policy(SKEWED["spend of 10 %"].log(0.0, 1), ["dr", "dm"])
    value, uplift = result.policy_value["dr"], result.uplift["dr"]
    low, high = (abs(bound - value.estimate) / value.se for bound in value.ci)
    assert low == pytest.approx(1.96, abs=0.01)
    assert high == pytest.approx(6.12, abs=0.02)
    for bound in uplift.ci:
        assert abs(bound - uplift.estimate) / uplift.se == pytest.approx(6.12, abs=0.02)
    # what a model predicts has the skewness that is seen
    model = result.policy_value["dm"]
    assert (model.ci[1] - model.estimate) / model.se < 3


def test_plain_rewards_keep_their_headlines() -> None:
    """At most 5 % are refused, and the interval does not widen to hold everything."""
    found = tally(PLAIN["middling overlap"], 120, 200_000)
    assert bdtr(found.n_headlines, 120, 0.95) > 1e-3
    # at .95 all 120 cover with probability 2e-3
    assert bdtr(found.n_values, found.n_headlines, 0.93) > 1e-3
    assert found.n_values < 120


def test_tails_too_long_for_the_log_are_red() -> None:
    """Sigma 4 at 2,000 rows: intervals cover 63 % with all that is done for them."""
    world = World(LOGNORMAL, 2, 4.0, 2000)
    result = evaluate_policy(world.log(0.0, 3), ["ipw"])
    assert result.headline is None
    assert "sigma" in result.headline_reason


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_the_spread_is_read_off_the_bulk(sigma: float) -> None:
    """2,000 events: k = 200 spacings, each with a spread of about its mean: 7 %; three of them."""
    rng = np.random.default_rng(9)
    spend = np.r_[np.zeros(18_000), np.exp(3 + sigma * rng.standard_normal(2000))]
    for sign in (1.0, -1.0):
        tail = reward_tail(sign * spend, np.ones(20_000))
        assert tail.spread == pytest.approx(sigma, rel=0.21)
        assert tail.n_events == pytest.approx(2000)
        longer, shorter = tail.tails.right, tail.tails.left
        assert (longer, shorter)[sign < 0] > 0
        assert (longer, shorter)[sign > 0] == 0
    # whether the largest reward came or not changes little: the sample's skewness doubles
    spend[-1] = 50 * spend.max()
    with_outlier = reward_tail(spend, np.ones(20_000)).spread
    assert with_outlier == pytest.approx(tail.spread, rel=0.1)


@pytest.mark.parametrize("reward", [np.zeros(100), np.arange(100) % 2, 1.0 * (np.arange(100) < 3)])
def test_rewards_of_one_size_have_no_tail(reward: Floats) -> None:
    tail = reward_tail(reward, np.ones(100))
    assert (tail.tails.largest, tail.reach) == (0.0, 0.0)
    assert reward_tail(reward, np.zeros(100)).n_events == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", SKEWED)
def test_headlines_on_skewed_rewards_cover_closely(name: str) -> None:
    """1,000 logs: coverage given a headline of at least .93, or fewer than 100 headlines."""
    found = tally(SKEWED[name], 1000, 1_000_000)
    print(name, found)
    if found.n_headlines >= 100:
        assert found.n_values >= 0.93 * found.n_headlines
        assert found.n_uplifts >= 0.93 * found.n_headlines


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_plain_rewards_are_rarely_refused(name: str) -> None:
    """1,000 logs; .93 less two standard errors of its estimate."""
    found = tally(PLAIN[name], 1000, 1_000_000)
    print(name, found)
    assert found.n_headlines >= 950
    assert found.n_values >= 0.914 * found.n_headlines
    assert found.n_uplifts >= 0.914 * found.n_headlines
