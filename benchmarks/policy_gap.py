"""How much of the gap between popularity and the best context-only policy a trained policy closes.

Run `python benchmarks/policy_gap.py [--scenario NAME|all] [--sessions N] [--oracle-sessions N]`;
all presets take some minutes each. For each preset and placement: simulate, train with the settings
of `cpz train`, and value every policy on the log's held-out sessions (its last quarter) by the
sealed truth.

The oracle regresses the true expected reward of every eligible option, free of outcome noise and
for other shoppers, on the very features that the trained policy reads, and shows the largest. No
latent trait, no memory beyond the log. Its value on the held-out sessions, unseen in fitting, is a
lower bound of the best context-only value (it is the value of a context-only policy), so the share
of the gap is, if anything, too high by what the bound lacks: a second oracle with half the
sessions and a third with twice the leaves and more trees tell how much that may be.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.features.decision_batch import DecisionBatch
from cpz.features.encoding import Encoder, fit_encoder
from cpz.features.history import microseconds
from cpz.models.option_inputs import OptionInput, applicable, option_matrix
from cpz.models.outcome import THREADS
from cpz.models.trained import PlacementModel, TrainingConfig
from cpz.models.training import LABELS, load_batches, train
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario, scenario_names
from cpz.simulator.true_value import expected_rewards, logging_propensities

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SEED, ORACLE_SEED = 11, 911
#: An option that so few sessions can show is left to the others.
LEAST_ROWS = 200
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class OracleConfig:
    """Settings of the oracle's trees, one regression an option.

    Attributes:
        n_trees, n_leaves: of each regression.
        sessions: "all", "half", or "late": those of the held-out weeks.
    """

    n_trees: int = 200
    n_leaves: int = 31
    sessions: Literal["all", "half", "late"] = "all"


ORACLES = {"oracle": OracleConfig()}
#: How much the bound may lack.
CHECKS = {
    "oracle_half_the_sessions": OracleConfig(sessions="half"),
    "oracle_more_leaves": OracleConfig(n_trees=300, n_leaves=63),
}
#: Where the world changes over time, what held earlier may mislead.
CHANGING = {"oracle_held_out_weeks": OracleConfig(sessions="late")}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sessions of the log that is trained on and valued, and of the oracle's; the log's seed.

    `labels` is what `cpz train --labels` takes.
    """

    sessions: int
    oracle_sessions: int
    seed: int = SEED
    labels: str = "auto"


@dataclass(frozen=True, slots=True)
class Trained:
    """One placement's trained model and the decisions it has not seen."""

    part: PlacementModel
    held_out: DecisionBatch


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a gap: estimate and 95 % interval; NaN where there is no gap to speak of."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """One placement of one preset.

    Attributes:
        scenario, placement: what was measured.
        n_sessions, n_shoppers: held out.
        values: mean true expected conversion on the held-out sessions, by policy; "best_context"
            is the best of the oracles, "best_latent" knows the full state.
        closed: the share of best_context - popularity that the trained greedy policy closes.
        of_latent: the same with best_latent at the top.
    """

    scenario: str
    placement: str
    n_sessions: int
    n_shoppers: int
    values: dict[str, float]
    closed: Share
    of_latent: Share


@dataclass(frozen=True, slots=True)
class Context:
    """The features of the trained policy as one matrix: encoded context, option facts of all K."""

    encoder: Encoder
    facts: tuple[OptionInput, ...]
    options: tuple[str, ...]

    def matrix(self, batch: DecisionBatch) -> Floats:
        """Return the features of a batch, one row a decision."""
        facts = option_matrix(self.facts, batch.context, self.options)
        flat = facts.reshape(len(batch), -1).astype(np.float64)
        return np.concatenate([self.encoder.transform(batch.context), flat], axis=1)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an oracle learns from: n sessions, their features and true rewards, (n, K).

    Attributes:
        context, matrix, expected: of these sessions.
        late: (n,) whether a session is of the weeks that the log holds out.
        is_changing: whether the scenario has schedules.
    """

    context: Context
    matrix: Floats
    expected: Floats
    late: Mask
    is_changing: bool

    def rows(self, sessions: Literal["all", "half", "late"]) -> Ints:
        """Return the sessions of a kind."""
        rows = np.arange(len(self.expected))
        if sessions == "late":
            return rows[self.late]
        if sessions == "half":
            return rows[keyed.uniform(SEED, "oracle_half", rows) < 0.5]
        return rows

    def scores(self, asked: Floats, rows: Ints, config: OracleConfig) -> Floats:
        """Return predicted advantages of each option, (len(asked), K).

        The target is q(x, a) minus the mean over the eligible options: the largest is the same,
        and what all options share (a shopper about to leave) is no noise any more.
        """
        advantage = self.expected - np.nanmean(self.expected, axis=1, keepdims=True)
        result = np.full((len(asked), self.expected.shape[1]), -np.inf)
        for option in range(result.shape[1]):
            mine = rows[~np.isnan(advantage[rows, option])]
            if len(mine) < LEAST_ROWS:
                continue
            training = lgb.Dataset(
                self.matrix[mine],
                advantage[mine, option],
                categorical_feature=self.context.encoder.categorical_places,
            )
            booster = lgb.train(_parameters(config), training, num_boost_round=config.n_trees)
            result[:, option] = booster.predict(asked, num_threads=THREADS)
        return result


def _parameters(config: OracleConfig) -> dict[str, object]:
    return {
        "objective": "regression",
        "learning_rate": 0.1,
        "num_leaves": config.n_leaves,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.7,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": THREADS,
        "seed": SEED,
        "verbosity": -1,
    }


def share_closed(gained: Floats, gap: Floats, shopper: Ints) -> Share:
    """Return sum(gained) / sum(gap) with a delta-method interval clustered by shopper.

    Both are per session and paired, so the interval tells how far other held-out shoppers of this
    world would move the share; not what another training log would.
    """
    mean_gap = float(gap.mean())
    if mean_gap <= 2.0 * clustered_se(gap - mean_gap, shopper):
        return Share(np.nan, np.nan, np.nan)
    estimate = float(gained.mean()) / mean_gap
    half = Z_95 * clustered_se((gained - estimate * gap) / mean_gap, shopper)
    return Share(estimate, estimate - half, estimate + half)


def clustered_se(psi: Floats, shopper: Ints) -> float:
    """Return the standard error of the mean of `psi`, shoppers independent."""
    totals = np.bincount(np.unique(shopper, return_inverse=True)[1], weights=psi)
    return float(np.sqrt((totals**2).sum() * len(totals) / max(1, len(totals) - 1)) / len(psi))


def greedy_value(scores: Floats, eligible: Mask, expected: Floats) -> Floats:
    """Return each session's true reward under the eligible option with the largest score."""
    best = np.where(eligible, scores, -np.inf).argmax(axis=1)
    result: Floats = expected[np.arange(len(best)), best]
    return result


def oracle_values(
    lesson: Lesson, held_out: DecisionBatch, expected: Floats, kinds: Mapping[str, OracleConfig]
) -> dict[str, Floats]:
    """Return the per-session values of each kind of oracle on the held-out sessions."""
    asked = lesson.context.matrix(held_out)
    return {
        name: greedy_value(
            lesson.scores(asked, lesson.rows(kind.sessions), kind),
            held_out.visits.eligible,
            expected,
        )
        for name, kind in kinds.items()
    }


def policy_values(
    log: Dataset, held_out: DecisionBatch, expected: Floats, part: PlacementModel
) -> dict[str, Floats]:
    """Return the per-session values of the logging policy and of what `cpz train` offers."""
    logged = logging_propensities(log, held_out.placement, held_out.ids["session_id"])
    tables = {"logging": logged} | {
        name: part.policy(name).propensities(held_out.visits) for name in part.policy_names
    }
    return {name: np.nansum(table * expected, axis=1) for name, table in tables.items()}


def measure(scenario: str, log: Dataset, trained: Trained, lesson: Lesson, *, check: bool) -> Gap:
    """Value everything on one placement's held-out sessions."""
    held_out = trained.held_out
    expected = expected_rewards(log, held_out.placement, held_out.ids["session_id"])
    sessions = policy_values(log, held_out, expected, trained.part)
    kinds = ORACLES | (CHECKS if check else {}) | (CHANGING if lesson.is_changing else {})
    oracles = oracle_values(lesson, held_out, expected, kinds)
    best = max(oracles.values(), key=lambda value: float(value.mean()))
    latent = np.nanmax(expected, axis=1)
    sessions |= oracles | {"best_context": best, "best_latent": latent}
    popularity = sessions["popularity"]
    gained = sessions["greedy"] - popularity
    return Gap(
        scenario=scenario,
        placement=held_out.placement,
        n_sessions=len(held_out),
        n_shoppers=len(np.unique(held_out.unit)),
        values={name: float(value.mean()) for name, value in sessions.items()},
        closed=share_closed(gained, best - popularity, held_out.unit),
        of_latent=share_closed(gained, latent - popularity, held_out.unit),
    )


def lessons(oracle: Dataset, cut_us: int | None, *, is_changing: bool) -> dict[str, Lesson]:
    """Return what the oracle may learn at each placement."""
    found = {}
    for batch in load_batches(oracle):
        context = Context(
            fit_encoder(batch.context), applicable(batch.context, batch.options), batch.options
        )
        expected = expected_rewards(oracle, batch.placement, batch.ids["session_id"])
        late = microseconds(batch.ids["session_at"]) >= (cut_us or 0)
        found[batch.placement] = Lesson(context, context.matrix(batch), expected, late, is_changing)
    return found


def gaps(scenario_name: str, sizes: Sizes, *, check: bool) -> list[Gap]:
    """Simulate a preset twice, train on the first log, and measure each placement."""
    scenario = load_scenario(scenario_name)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        log, oracle = (
            simulate(workspace, scenario, SimulationConfig(name, n, seed), lambda _: None)
            for name, n, seed in (
                ("log", sizes.sessions, sizes.seed),
                ("oracle", sizes.oracle_sessions, ORACLE_SEED),
            )
        )
        model = train(log, TrainingConfig(labels=sizes.labels))
        taught = lessons(oracle, model.split.cut_us, is_changing=bool(scenario.schedules))
        found = []
        for batch in load_batches(log):
            held_out = batch.take(model.split.is_test(batch))
            trained = Trained(model.placement(batch.placement), held_out)
            lesson = taught[batch.placement]
            found.append(measure(scenario_name, log, trained, lesson, check=check))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="baseline", choices=("all", *scenario_names()))
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--oracle-sessions", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=SEED, help="of the log, not of the oracle's")
    parser.add_argument("--labels", default="auto", choices=LABELS, help="as in `cpz train`")
    parser.add_argument("--check", action="store_true", help="more oracles, to judge the bound")
    options = parser.parse_args()
    sizes = Sizes(options.sessions, options.oracle_sessions, options.seed, options.labels)
    found = [
        gap
        for name in (scenario_names() if options.scenario == "all" else [options.scenario])
        for gap in gaps(name, sizes, check=options.check)
    ]
    result = {"benchmark": "policy_gap", **asdict(sizes), "gaps": [asdict(gap) for gap in found]}
    print(json.dumps(_finite(result), indent=2))


def _finite(value: object) -> object:
    """Round numbers, and write those that are not finite as null."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return round(value, 5) if np.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
