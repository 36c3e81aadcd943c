"""Checks of the logged propensities against the actions that were in fact taken."""

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.evaluation.ope.audit.findings import Finding, Limits, Status, not_checked
from cpz.evaluation.ope.interval import unit_sums
from cpz.evaluation.ope.log import LoggedDecisions

# An action taken fewer times has a sum of 1 / p too skewed for a normal test.
MIN_TAKEN = 20

# Familywise error of the per-action test: one clean log in a hundred is amber, one in a million is
# red, and red asks for a propensity that is wrong by 5 %: less moves an estimate less than that.
CALIBRATION_AMBER = 0.01
CALIBRATION_RED = 1e-6
MATERIAL_RATIO = 0.05

# Simes p-value of "the propensities are those of the actions taken"; the same reading as above.
PLAUSIBILITY = Limits(amber=0.01, red=1e-6, is_high_bad=False)

# A propensity below 1e-4 lets one row weigh up to 10,000: more than the rows of a usual log.
TINY = 1e-4
# Propensities of many different values with more than 1 % of rows on exactly the smallest look
# as if the logger had floored them. An exploration floor has a few values per action, not 20.
FLOOR_SHARE = 0.01
FLOOR_VALUES_PER_ACTION = 20


def propensity_calibration(log: LoggedDecisions) -> Finding:
    """Per action a, the mean of 1{A = a} / p over the rows where a was eligible must be 1.

    The largest |z| is tested with Bonferroni's correction. When the log does not say what was
    eligible, a mean below 1 may also come of rows in which a was not on offer: then amber at most.
    """
    name = "propensity_calibration"
    if log.action is None or log.n_actions == 0:
        return not_checked(name, "action codes are not given")
    ratio, z = calibration_scores(log, log.action)
    tested = np.flatnonzero(np.isfinite(ratio))
    if len(tested) == 0:
        return not_checked(name, f"no action was taken {MIN_TAKEN} times")
    from scipy.special import ndtri

    amber, red = (
        float(-ndtri(alpha / (2 * len(tested)))) for alpha in (CALIBRATION_AMBER, CALIBRATION_RED)
    )
    is_red = (np.abs(z) > red) & (np.abs(ratio - 1) > MATERIAL_RATIO)
    if log.eligible is None:
        is_red &= ratio > 1
    is_amber = np.abs(z) > amber
    severity = 2 * is_red[tested].astype(np.int64) + is_amber[tested]
    worst = int(tested[np.lexsort((np.abs(z[tested]), severity))[-1]])
    message = (
        f"action {worst}: the mean of 1/propensity where it was taken is {ratio[worst]:.3f}, "
        f"expected 1 (z = {z[worst]:.1f}, {len(tested)} actions tested)"
    )
    advice = "the logged propensity is not that of the action taken, or eligibility is not logged"
    value = float(abs(z[worst]))
    if is_red[worst]:
        return Finding(name, Status.RED, value, red, f"{message}; {advice}")
    if is_amber[worst]:
        return Finding(name, Status.AMBER, value, amber, f"{message}; {advice}")
    return Finding(name, Status.GREEN, value, amber, message)


def calibration_scores(log: LoggedDecisions, action: Ints) -> tuple[Floats, Floats]:
    """Return per action the ratio sum(1{A = a} / p) / n_eligible and its z, NaN when untested.

    The variance is E sum_c S_c^2 - sum_c e_c^2, with unit sums S_c of 1 / p and eligible counts
    e_c. When the ratio is below 1 the observed sum of squares is divided by it, which estimates the
    expected one (a score test): a rare action must not look certain because it was seen too seldom.
    When it is above 1 the observed sum stands, which one heavy row inflates as much as the total.
    """
    k, n = log.n_actions, len(log)
    inverse = 1.0 / log.propensity
    taken = np.bincount(action, minlength=k)
    total = np.bincount(action, weights=inverse, minlength=k)
    is_open = log.eligible
    offered = np.full(k, float(n)) if is_open is None else is_open.sum(axis=0, dtype=np.float64)
    ratio = np.full(k, np.nan)
    np.divide(total, offered, out=ratio, where=(taken >= MIN_TAKEN) & (offered > 0))
    squares = np.bincount(action, weights=inverse * inverse, minlength=k)
    scale = np.minimum(ratio, 1.0)
    variance = squares / scale - offered
    if log.unit is not None:
        clustered = _pair_squares(log.unit, action, inverse, k) / scale
        clustered -= _offered_squares(log, k)
        # never below the independent rows' variance: units do not make choices more even
        variance = np.fmax(variance, clustered)
    difference = total - offered
    # choices with propensity 1 have no variance; what is left then is rounding
    exact = np.where(np.abs(difference) > 1e-9 * n, np.copysign(np.inf, difference), 0.0)
    z = np.where(variance > 1e-9 * n, difference / np.sqrt(np.fmax(variance, 1e-300)), exact)
    return ratio, np.where(np.isfinite(ratio), z, np.nan)


def propensity_plausibility(log: LoggedDecisions) -> Finding:
    """Simes' test on the smallest propensities: such choices should hardly ever be drawn.

    P(p(A) <= t) = sum over a of p(a) 1{p(a) <= t} <= K t, so K p is a valid p-value of each row and
    min_j n K p_(j) / j one of the log (Simes 1986), whatever the logging policy.
    """
    name = "propensity_plausibility"
    if log.n_actions == 0:
        return not_checked(name, "the number of actions is not given")
    p_value = simes(log.propensity * log.n_actions)
    return PLAUSIBILITY.finding(
        name,
        p_value,
        f"smallest propensity {log.propensity.min():.3g}; rows with propensities this small "
        f"appear with probability {p_value:.2g} or less",
        "the logged propensity is probably not that of the action taken",
    )


def simes(p_values: Floats) -> float:
    """Return min over j of n p_(j) / j, at most 1.

    >>> simes(np.array([0.01, 0.5, 0.02]))
    0.03
    """
    n = len(p_values)
    return float(min(1.0, (np.sort(p_values) * n / np.arange(1, n + 1)).min()))


def propensity_floor(log: LoggedDecisions) -> Finding:
    """Rows with tiny propensities, and propensities that the logger seems to have floored."""
    n_tiny = int(np.count_nonzero(log.propensity < TINY))
    smallest = float(log.propensity.min())
    at_floor = float(np.mean(log.propensity == smallest))
    limits = Limits(amber=0.0, red=1.0)
    share = n_tiny / len(log)
    if n_tiny == 0 and _looks_floored(log, at_floor):
        return Finding(
            "propensity_floor",
            Status.AMBER,
            at_floor,
            FLOOR_SHARE,
            f"{at_floor:.1%} of rows share the smallest propensity {smallest:.3g} of many values; "
            "if the logger floors propensities, log the ones that were used",
        )
    return limits.finding(
        "propensity_floor",
        share,
        f"{n_tiny} of {len(log)} rows have a propensity below {TINY:g} (smallest {smallest:.3g})",
        "each may outweigh thousands of rows: check them, or clip the weights",
    )


def _looks_floored(log: LoggedDecisions, at_floor: float) -> bool:
    if log.n_actions == 0 or not FLOOR_SHARE < at_floor < 1:
        return False
    return len(np.unique(log.propensity)) > FLOOR_VALUES_PER_ACTION * log.n_actions


def _pair_squares(unit: Ints, action: Ints, values: Floats, k: int) -> Floats:
    """Return per action the sum over units of (sum of the unit's values with that action)^2."""
    key = unit * k + action
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums = np.add.reduceat(values[order], starts)
    squares = np.bincount(ordered[starts] % k, weights=sums * sums, minlength=k)
    return squares.astype(np.float64, copy=False)


def _offered_squares(log: LoggedDecisions, k: int) -> Floats:
    """Return per action the sum over units of (rows of the unit where it was eligible)^2."""
    if log.eligible is None:
        rows = unit_sums(np.ones(len(log)), log.unit)
        return np.full(k, float(np.square(rows).sum()))
    sums = [unit_sums(log.eligible[:, a].astype(np.float64), log.unit) for a in range(k)]
    return np.array([float(np.square(column).sum()) for column in sums])
