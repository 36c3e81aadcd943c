"""What a policy is worth because it ran from the first visit on: its long-run effect.

Memory (stored credentials, the last method, loyalty, trust) makes a visit depend on the visits
before it, and a trained policy reads what they left in the log. So a policy is worth more, or less,
at the visits that it brought about itself than at the visits another policy left to it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.dataset import Dataset, part_files
from cpz.data.errors import DataError
from cpz.data.policy import Policy
from cpz.data.truth import read_truth, truth_table
from cpz.simulator.scenario.settings import Scenario
from cpz.simulator.visit.journey import SESSION_IDS
from cpz.simulator.visit.logging_policies import OneStepPolicy, logging_policies

_Z_95 = 1.959963984540054
#: Every placement gives a session the same value; this one has the fewest options.
_PLACEMENT = "offer"


@dataclass(frozen=True, slots=True)
class LongRunEffect:
    """A policy's value at its own visits against its value at the scenario's policy's visits.

    Values are true expected conversions per session, exact given each visit's state; sessions,
    carts and noise are the same in both runs, and only the states differ.

    Attributes:
        closed_loop_value: at the states the policy brought about.
        one_step_value: at the states the scenario's own policy brought about, the policy deciding
            one visit.
        effect: the former minus the latter, per session.
        standard_error: of the effect, over shoppers.
        ci: 95 % interval of the effect.
        effect_per_shopper: purchases a shopper makes more within the horizon.
        standard_error_per_shopper: of that.
        n_sessions, n_shoppers: in either run; no policy changes how often a shopper comes.
        n_later_sessions: those that are not a shopper's first; at first visits there is no effect.
    """

    closed_loop_value: float
    one_step_value: float
    effect: float
    standard_error: float
    ci: tuple[float, float]
    effect_per_shopper: float
    standard_error_per_shopper: float
    n_sessions: int
    n_shoppers: int
    n_later_sessions: int


@dataclass(frozen=True, slots=True)
class _Shoppers:
    """Sums over each shopper's sessions, (m,)."""

    n: Ints
    closed: Floats
    one_step: Floats


def one_step_policies(
    scenario: Scenario, replaced: Scenario, trained: Mapping[str, Policy]
) -> dict[str, Policy]:
    """Return what to simulate `scenario` with, so that its own policies decide every visit.

    Args:
        scenario: the world with its own logging policies.
        replaced: the same world with rules in place of some of them.
        trained: placement -> policy, for what no scenario can name.
    """
    path, rules = logging_policies(scenario), logging_policies(replaced)
    return {
        name: OneStepPolicy(trained.get(name, rules[name]), path[name])
        for name in path
        if name in trained or getattr(scenario.logging, name) != getattr(replaced.logging, name)
    }


def long_run_effect(closed_loop: Dataset, one_step: Dataset) -> LongRunEffect:
    """Compare a run of a policy with a run of `one_step_policies` on the same seed.

    Parts are read one at a time; three numbers a shopper are kept.

    Raises:
        DataError: the runs do not hold the same sessions.
    """
    parts = list(_parts(closed_loop, one_step))
    n = np.concatenate([part.n for part in parts])
    closed, once = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("closed", "one_step")
    )
    return paired_effect(n, closed, once)


def paired_effect(n: Ints, closed: Floats, once: Floats) -> LongRunEffect:
    """Compare sums over each shopper's sessions.

    With v(i) = sum_a pi(a | i) q(i, a) at session i's state and d_s the sum over shopper s's
    sessions of v_closed - v_one_step: effect = sum_s d_s / N, and its standard error is that of a
    ratio, shoppers being independent: sqrt(S / (S - 1) sum_s (d_s - effect n_s)^2) / N.

    Args:
        n: (S,) sessions of each shopper.
        closed: (S,) sums of v at the visits of the policy's own run.
        once: (S,) sums of v at those of the scenario's own policy.
    """
    difference, n_sessions, n_shoppers = closed - once, int(n.sum()), len(n)
    effect = float(difference.sum()) / n_sessions
    per_shopper = float(difference.mean())
    correction = n_shoppers / max(1, n_shoppers - 1)
    se = math.sqrt(correction * float(((difference - effect * n) ** 2).sum())) / n_sessions
    se_per_shopper = math.sqrt(correction * float(((difference - per_shopper) ** 2).mean()))
    return LongRunEffect(
        closed_loop_value=float(closed.sum()) / n_sessions,
        one_step_value=float(once.sum()) / n_sessions,
        effect=effect,
        standard_error=se,
        ci=(effect - _Z_95 * se, effect + _Z_95 * se),
        effect_per_shopper=per_shopper,
        standard_error_per_shopper=se_per_shopper / math.sqrt(n_shoppers),
        n_sessions=n_sessions,
        n_shoppers=n_shoppers,
        n_later_sessions=n_sessions - n_shoppers,
    )


def _parts(closed_loop: Dataset, one_step: Dataset) -> Iterator[_Shoppers]:
    left, right = part_files(closed_loop, "truth"), part_files(one_step, "truth")
    if len(left) != len(right):
        raise _differ(closed_loop, one_step)
    for mine, other in zip(left, right, strict=True):
        session, closed = _values(closed_loop, mine)
        same, once = _values(one_step, other)
        if not np.array_equal(session, same):
            raise _differ(closed_loop, one_step)
        _, shopper = np.unique(session // SESSION_IDS, return_inverse=True)
        mine_sum, other_sum = (
            np.bincount(shopper, weights=value).astype(np.float64) for value in (closed, once)
        )
        yield _Shoppers(np.bincount(shopper), mine_sum, other_sum)


def _values(dataset: Dataset, part: Path) -> tuple[Ints, Floats]:
    """Return a part's session ids and each session's expected conversion, (n,) each."""
    propensity = truth_table(dataset, _PLACEMENT, "propensity", part)
    expected = truth_table(dataset, _PLACEMENT, "expected", part)
    session = read_truth(dataset, ["session_id"], part)["session_id"].to_numpy()
    return session, np.nansum(propensity * expected, axis=1)


def _differ(closed_loop: Dataset, one_step: Dataset) -> DataError:
    return DataError(
        f"datasets {closed_loop.name!r} and {one_step.name!r} hold different sessions",
        hint="simulate both from one scenario, seed and number of sessions",
    )
