"""The logged actions against the logged distributions, by chi-square, for every logging policy.

Decisions have different distributions, so Pearson's statistic does not apply: with O the counts of
the options, E = sum_i p_i and V = sum_i (diag(p_i) - p_i p_i'), (O - E)' V^+ (O - E) is chi-square
with rank(V) degrees of freedom as the decisions grow (the multivariate central limit theorem;
draws are independent given the distributions, and where a distribution depends on earlier draws,
O - E is a martingale with V as its quadratic variation).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS
from cpz.data.truth import read_truth, truth_table
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.columns import pick, running_sums
from cpz.simulator.scenario.loading import load_scenario

POLICIES = {
    "uniform": "policy='uniform'",
    "epsilon": "epsilon=0.2",
    "softmax": "policy='softmax'",
    "confounded": "policy='confounded'",
    "deficient": "policy='deficient'",
}
#: 5 policies x 3 placements: P(any false alarm) <= 15 * 0.0002 = 0.003.
LEVEL = 0.0002
#: Options expected less often are counted together, for the normal approximation's sake.
LEAST_EXPECTED = 10.0


@dataclass(frozen=True)
class Fit:
    """A statistic, its degrees of freedom, and the probability of one so large."""

    statistic: float
    df: int

    @property
    def p_value(self) -> float:
        return float(chi2.sf(self.statistic, self.df))


def goodness_of_fit(p: np.ndarray, action: np.ndarray) -> Fit:
    """Compare n actions with their (n, K) distributions."""
    counts = np.bincount(action, minlength=p.shape[1])
    rare = p.sum(axis=0) < LEAST_EXPECTED
    p = np.column_stack([p[:, ~rare], p[:, rare].sum(axis=1)])
    observed = np.append(counts[~rare], counts[rare].sum())
    covariance = np.diag(p.sum(axis=0)) - p.T @ p
    # rows sum to 1, so V has at least one eigenvalue 0; a lone option of some market adds more
    value, vector = np.linalg.eigh(covariance)
    real = value > 1e-9 * value.max(initial=1.0)
    along = vector[:, real].T @ (observed - p.sum(axis=0))
    return Fit(float((along**2 / value[real]).sum()), int(real.sum()))


def by_market(p: np.ndarray, action: np.ndarray, country: np.ndarray) -> Fit:
    """Add up the markets' statistics: what cancels between markets shows."""
    fits = [goodness_of_fit(p[country == c], action[country == c]) for c in np.unique(country)]
    return Fit(sum(fit.statistic for fit in fits), sum(fit.df for fit in fits))


@pytest.fixture(scope="module", params=POLICIES)
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root: Path = tmp_path_factory.mktemp("logged")
    rules = [f"logging.{placement}.{POLICIES[request.param]}" for placement in PLACEMENTS]
    scenario = load_scenario("baseline", ["population.pool_size=10", *rules])
    return simulate(
        Workspace(root), scenario, SimulationConfig(request.param, 8_000, 21), lambda _: None
    )


def decided(dataset: Dataset, placement: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distributions (n, K), actions (n,) and countries (n,) of a placement's decisions."""
    truth = read_truth(dataset, ["session_id"])["session_id"]
    p = np.nan_to_num(truth_table(dataset, placement, "propensity"))
    place = pl.DataFrame({"session_id": truth, "row": np.arange(len(truth))})
    rows = (
        dataset.frame("decisions")
        .filter(pl.col("placement").cast(pl.String) == placement)
        .join(place, on="session_id", how="left", maintain_order="left")
        .join(dataset.frame("sessions", ["session_id", "country"]), on="session_id", how="left")
    )
    options = dataset.options(placement)
    code = dict(zip(options, range(len(options)), strict=True))
    action = rows["action"].cast(pl.String).replace_strict(code, return_dtype=pl.Int64)
    return p[rows["row"].to_numpy()], action.to_numpy(), rows["country"].cast(pl.String).to_numpy()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_actions_follow_their_logged_distributions(logged: Dataset, placement: str) -> None:
    p, action, country = decided(logged, placement)
    taken = p[np.arange(len(p)), action]
    logs = logged.frame("decisions").filter(pl.col("placement").cast(pl.String) == placement)
    assert np.allclose(taken, logs["propensity"].to_numpy(), rtol=1e-12)
    fit = by_market(p, action, country)
    assert fit.df >= 8
    assert fit.p_value > LEVEL


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_planted_shift_is_seen(logged: Dataset, placement: str) -> None:
    """10 % of the actions moved to each row's least likely possible option.

    The hardest case is a uniform policy over five options: 800 moves, of which a fifth change
    nothing, add 640 to a count with standard deviation sqrt(8,000 x 0.2 x 0.8) = 36, so the
    statistic grows by some 640^2 / 36^2 = 316, spread over the markets; with 40 degrees of freedom
    its standard deviation is then sqrt(2 (40 + 2 x 316)) = 37 and the critical value 78.
    """
    p, action, country = decided(logged, placement)
    rng = np.random.default_rng(0)
    # only where there was a choice: the others could not be logged otherwise
    free = np.flatnonzero((p > 0).sum(axis=1) > 1)
    moved = rng.choice(free, round(0.1 * len(p)), replace=False)
    shifted = action.copy()
    shifted[moved] = np.where(p[moved] > 0, p[moved], np.inf).argmin(axis=1)
    fit = by_market(p, shifted, country)
    assert fit.p_value < LEVEL


def test_the_statistic_is_chi_square_where_pearsons_is_not() -> None:
    """400 logs of 2,000 decisions with very different distributions, drawn from them.

    The mean of 400 chi-squares has standard error sqrt(2 df / 400); 4 of them are allowed.
    """
    rng = np.random.default_rng(3)
    p = rng.dirichlet([0.2] * 4, 2_000)
    p[::3, 3] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    fits, pearson = [], []
    for _ in range(400):
        action = pick(rng.random(len(p)), running_sums(np.asfortranarray(p)))
        fits.append(goodness_of_fit(p, action))
        expected = p.sum(axis=0)
        pearson.append((((np.bincount(action, minlength=4) - expected) ** 2) / expected).sum())
    assert {fit.df for fit in fits} == {3}
    allowed = 4 * np.sqrt(2 * 3 / 400)
    assert abs(np.mean([fit.statistic for fit in fits]) - 3) < allowed
    below = np.mean([fit.p_value < 0.05 for fit in fits])
    assert abs(below - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(pearson) < 3 - allowed


def test_the_statistic_by_hand() -> None:
    """40 even coins, 25 heads: (25 - 20)^2 / 10 = 2.5 on one degree of freedom."""
    action = np.repeat([0, 1], [25, 15])
    fit = goodness_of_fit(np.full((40, 2), 0.5), action)
    assert fit.statistic == pytest.approx(2.5, abs=1e-12)
    assert fit.df == 1
