"""What an estimator needs of one policy and one log: flat vectors, never a dense array.

`LogColumns` is what was logged; `logged_decisions` validates it once and reduces it, with a policy
and an optional outcome model, to the sufficient vectors that every estimator and check reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.errors import DataError, NotEnoughDataError
from cpz.data.losses import Losses
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.reward_tail import RewardTail, reward_tail
from cpz.evaluation.ope.support import support_of

#: Rows of a policy are probabilities written as decimals: six digits and a few actions stay below.
_SUM_TOLERANCE = 1e-6
#: Rewards beyond this have squares that overflow beside weights.
_MAX_REWARD = 1e90
# Of one or two digits nothing is said: 0.5 and 0.25 are meant as they stand. Beyond 12 the
# rounding is below that of sums.
_FEWEST_DIGITS, _MOST_DIGITS = 3, 12
_FIRST = 1000


@dataclass(frozen=True, slots=True, eq=False)
class LogColumns:
    """The columns of a decision log of n rows over K actions.

    Attributes:
        action: (n,) codes 0..K-1 of the action shown.
        reward: (n,) what the decision is judged by, any finite number.
        propensity: (n,) the logging policy's probability of that action, in (0, 1].
        position: (n,) codes from 0, or None; only the support check reads it.
        unit: (n,) identities of the independent units (shoppers), or None for independent rows.
        eligible: (n, K) what could have been shown, or None when the log does not say.
        n_duplicates: rows that repeat an earlier row in full, time and unit included; None when
            the log holds nothing to tell them by.
        n_unusable: rows that were left out because a value was missing or broken.
        losses: the same of the whole import, with how these rows differ; in place of n_unusable.
        time: (n,) when each choice was made, in any unit, or None when the log does not say.
        likely_units: columns whose values repeat as those of a unit do, each as (n,) codes.
    """

    action: Ints
    reward: Floats
    propensity: Floats
    position: Ints | None = None
    unit: Ints | None = None
    eligible: Mask | None = None
    n_duplicates: int | None = None
    n_unusable: int = 0
    losses: Losses | None = None
    time: Ints | None = None
    likely_units: Mapping[str, Ints] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class LoggedDecisions:
    """The sufficient vectors of one evaluation policy against one log of n rows.

    Attributes:
        reward: (n,) r_i.
        propensity: (n,) p_i, the logging policy's probability of the action taken.
        policy_taken: (n,) pi(a_i | x_i), the evaluation policy's probability of the same action.
        q_taken: (n,) q_hat(x_i, a_i), or None without an outcome model.
        q_policy: (n,) sum over a of pi(a | x_i) q_hat(x_i, a), or None.
        unit: (n,) dense codes 0..C-1 of the independent units, or None when each row is one.
        action: (n,) action codes, or None when the audit shall skip the checks that need them.
        n_actions: K; 0 when unknown.
        position: (n,) position codes, or None.
        eligible: (n, K), or None.
        unsupported_mass: the policy's mean probability of what the logging policy could not show.
        ineligible_mass: the part of it on options that were not eligible in their rows.
        n_duplicates: rows that repeat an earlier one, or None when that cannot be known.
        n_unusable: rows that were left out before.
        losses: the rows that an import left out, in place of n_unusable.
        time: (n,) when each choice was made, or None.
        likely_units: columns that may be the unit, where none is known.
        weight: (n,) w_i = policy_taken / propensity.
        tail: how long the tails of the rewards are that count with these weights.
    """

    reward: Floats
    propensity: Floats
    policy_taken: Floats
    q_taken: Floats | None = None
    q_policy: Floats | None = None
    unit: Ints | None = None
    action: Ints | None = None
    n_actions: int = 0
    position: Ints | None = None
    eligible: Mask | None = None
    unsupported_mass: float = 0.0
    ineligible_mass: float = 0.0
    n_duplicates: int | None = None
    n_unusable: int = 0
    losses: Losses | None = None
    time: Ints | None = None
    likely_units: Mapping[str, Ints] = field(default_factory=dict)
    weight: Floats = field(init=False)
    tail: RewardTail = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", self.policy_taken / self.propensity)
        object.__setattr__(self, "tail", reward_tail(self.reward, self.weight))

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def n_units(self) -> int:
        """Return C, the number of independent units."""
        return len(self) if self.unit is None else int(self.unit.max()) + 1

    def clipped(self, clip: float | None) -> "LoggedDecisions":
        """Return the same log with weights of at most `clip`; itself without a clip."""
        if clip is None or not (self.weight > clip).any():
            return self
        return replace(self, policy_taken=np.minimum(self.policy_taken, clip * self.propensity))

    @property
    def has_q_hat(self) -> bool:
        """Return whether an outcome model is at hand."""
        return self.q_taken is not None and self.q_policy is not None


def logged_decisions(
    columns: LogColumns, policy: ActionProbabilities, q_hat: Floats | None = None
) -> LoggedDecisions:
    """Validate a log, a policy and an outcome model, and reduce them to the sufficient vectors.

    Args:
        columns: the log, n rows.
        policy: pi(a | x_i) for the same n rows.
        q_hat: (n, K) predicted rewards; may be NaN only where the policy's probability is 0.

    Raises:
        DataError: a reward is not finite, a propensity not in (0, 1], an action code unknown, a row
            of the policy not a distribution, or a prediction missing.
        NotEnoughDataError: the log is empty.

    >>> log = logged_decisions(
    ...     LogColumns(np.array([0, 1]), np.array([1.0, 0.0]), np.array([0.5, 0.25])),
    ...     ActionProbabilities(np.array([[0.5, 0.5]]), np.zeros(2, dtype=np.int64)),
    ... )
    >>> log.weight
    array([1., 2.])
    """
    _check_columns(columns, policy)
    _check_policy(policy)
    policy_taken = policy.taken(columns.action)
    q_taken = q_policy = None
    if q_hat is not None:
        _check_q_hat(q_hat, policy)
        q_taken = _taken_predictions(q_hat, columns.action)
        q_policy = policy.expectation(q_hat)
    support = support_of(
        columns.action,
        policy_taken / columns.propensity,
        policy,
        position=columns.position,
        eligible=columns.eligible,
    )
    return LoggedDecisions(
        reward=columns.reward,
        propensity=columns.propensity,
        policy_taken=policy_taken,
        q_taken=q_taken,
        q_policy=q_policy,
        unit=None if columns.unit is None else dense_codes(columns.unit),
        action=columns.action,
        n_actions=policy.n_actions,
        position=columns.position,
        eligible=columns.eligible,
        unsupported_mass=support.missing,
        ineligible_mass=support.ineligible,
        n_duplicates=columns.n_duplicates,
        n_unusable=columns.n_unusable,
        losses=columns.losses,
        time=columns.time,
        likely_units=columns.likely_units,
    )


def dense_codes(unit: Ints) -> Ints:
    """Renumber identities as 0..C-1 in the order of their values.

    >>> dense_codes(np.array([70, 7, 70, 9]))
    array([2, 0, 2, 1])
    """
    if unit.min() >= 0 and unit.max() < 4 * len(unit):
        # counting beats sorting tenfold when identities are already small numbers
        present = np.bincount(unit) > 0
        return (np.cumsum(present, dtype=np.int64) - 1)[unit]
    return np.unique(unit, return_inverse=True)[1].astype(np.int64)


def relative_rounding(propensity: Floats) -> Floats | None:
    """Return (n,) how far each true propensity may be from the written one, relative to it.

    Half a unit of the last significant digit, for the fewest digits that write all of them; None
    where they were written exactly or with so many digits that it does not matter.

    >>> relative_rounding(np.full(2, 0.333))
    array([0.0015015, 0.0015015])
    >>> relative_rounding(np.full(2, 0.5)) is None
    True
    """
    size = np.floor(np.log10(propensity))
    for digits in range(1, _MOST_DIGITS + 1):
        if all(_is_written(part, digits) for part in (propensity[:_FIRST], propensity)):
            if digits < _FEWEST_DIGITS:
                return None
            return np.asarray(0.5 * 10.0 ** (size - digits + 1) / propensity)
    return None


def _is_written(propensity: Floats, digits: int) -> bool:
    """Return whether that many significant digits write all of these values."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(propensity)))
    scaled = propensity * scale
    # a decimal read as binary and multiplied is off by some units of the last place
    return bool((np.abs(scaled - np.round(scaled)) <= 1e-15 * 4 * scaled).all())


def _check_columns(columns: LogColumns, policy: ActionProbabilities) -> None:
    n = len(columns.reward)
    if n == 0:
        raise NotEnoughDataError("the log has no rows", hint="check the filter or the file")
    if not n == len(columns.action) == len(columns.propensity) == len(policy):
        raise ValueError(
            f"lengths differ: {n} rewards, {len(columns.action)} actions, "
            f"{len(columns.propensity)} propensities, {len(policy)} policy rows"
        )
    p, action = columns.propensity, columns.action
    # a comparison with NaN is false
    is_broken = ~(np.abs(columns.reward) <= _MAX_REWARD)
    _refuse("reward", columns.reward, is_broken, f"a finite number of at most {_MAX_REWARD:g}")
    _refuse("propensity", p, ~((p > 0) & (p <= 1)), "in (0, 1]")
    is_unknown = (action < 0) | (action >= policy.n_actions)
    _refuse("action", action, is_unknown, f"a code from 0 to {policy.n_actions - 1}")


def _check_policy(policy: ActionProbabilities) -> None:
    total = policy.table.sum(axis=1)
    is_bad = ~(np.abs(total - 1.0) <= _SUM_TOLERANCE) | ~(policy.table >= 0).all(axis=1)
    _refuse("policy", total, is_bad, "probabilities of at least 0 that sum to 1")


def _check_q_hat(q_hat: Floats, policy: ActionProbabilities) -> None:
    if q_hat.shape != (len(policy), policy.n_actions):
        raise DataError(
            f"q_hat: shape is {q_hat.shape}, expected ({len(policy)}, {policy.n_actions}), "
            "a prediction for each row of the log and each action"
        )
    is_finite = np.isfinite(q_hat)
    if is_finite.all():
        return
    pi = policy.table if policy.row is None else policy.table[policy.row]
    is_bad: Mask = np.any(~is_finite & (pi > 0), axis=1)
    _refuse("q_hat", q_hat.sum(axis=1), is_bad, "finite wherever the policy is above 0")


def _taken_predictions(q_hat: Floats, action: Ints) -> Floats:
    taken = q_hat[np.arange(len(action)), action]
    # what is missing by now belongs to rows of weight 0, which take no correction
    return np.where(np.isfinite(taken), taken, 0.0)


def _refuse(name: str, values: Floats | Ints, is_bad: Mask, expected: str) -> None:
    if is_bad.any():
        first = int(np.argmax(is_bad))
        raise DataError(
            f"{name}: {int(is_bad.sum())} of {len(is_bad)} rows are not {expected} "
            f"(first: row {first + 1}, got {values[first]})",
            hint=f"drop or correct these rows; {name} must be {expected}",
        )
