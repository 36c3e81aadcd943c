"""Checks of overlap: can this log say anything about this policy?

The limits of ESS, single-unit share and effective events come from one simulation: nominal 95 %
intervals of ipw, snipw and dr on 12,960 logs of 500 to 10,000 rows, 10 actions, softmax logging and
evaluation policies of nine degrees of disagreement, conversion rates from about 1 to 35 %. Coverage
in bands of each diagnostic, as ipw / snipw / dr (a slow test draws the same logs again):

    ESS        10-20  .69 / .67 / .65    50-75   .86 / .84 / .78    150-200  .94 / .93 / .92
               200-300 .94 / .94 / .94   over 500 .96 / .96 / .95
    top unit   over .5 .67 / .60 / .73   .1-.2   .91 / .91 / .89    under .02 .96 / .96 / .96
    events     2-5    .80 / .79 / .78    20-30   .89 / .87 / .89    30-50    .93 / .92 / .93

The ratio ESS / n carries no limit: at equal ESS, logs of 500 and of 10,000 rows had equal coverage.
"""

from dataclasses import replace

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.ope.audit.findings import Finding, Limits, Status
from cpz.evaluation.ope.interval import effective_sample_size, mean_interval, unit_sums
from cpz.evaluation.ope.log import LoggedDecisions, relative_rounding

# Mass on unseen actions biases a weighted mean by at most that share of the rewards' range. One
# hundredth of the range is as large as the effects that are looked for (1 to 2 points of
# conversion), so beyond it the sign may be wrong; the amber limit is rounding in a policy file.
SUPPORT = Limits(amber=1e-6, red=0.01)

# Where propensity is 1 nothing else could be shown. With no other rows there is no experiment.
# Half such rows halve the information without bias: worth saying, no reason to refuse.
EXPLORATION = Limits(amber=0.5, red=1.0 - 1e-12)

# See the table above: just above 50 one interval in six misses, at 200 one in fourteen.
ESS = Limits(amber=200, red=50, is_high_bad=False)

# Share of one unit in the sum of squared weights. Above one half, leaving that unit out more than
# doubles the ESS: the log is one shopper. The table's .1-.2 band already misses one in ten.
TOP_WEIGHT = Limits(amber=0.1, red=0.5)

# Share of one unit in the variance of the estimate. Rare rewards alone bring it to .4 (46 clicks in
# 10,000 rows), which the events check speaks of; above .9 the interval is one unit.
TOP_INFLUENCE = Limits(amber=0.1, red=0.9)

# Events that carry the estimate, (sum w |r - median|)^2 / sum (w (r - median))^2. See the table.
EVENTS = Limits(amber=30, red=5, is_high_bad=False)

# From logs of 1,000 to 10,000 rows with lognormal and Pareto rewards, in all or in 1 to 10 % of the
# rows: where the reach was .5 to .7 the intervals covered 95 to 100 %, at .8 (sigma 3, 2,000 rows)
# 91 %, at 1 (sigma 4) 63 %. A slow test draws such logs again.
REWARD_TAIL = Limits(amber=0.75, red=0.75)

# A skewness of .25 moves the farther bound by a sixth of the half-width.
WIDENED = 0.25

# The skewness of a mean of 5 equal rare rewards, 1 / sqrt(5): the red limit of events.
ALLOWED_FOR = 1 / np.sqrt(5.0)

# Probability that clipping takes away moves an estimate by up to that share of the rewards' range.
# Who clips asks for that, so it is told; beyond one half most of the policy is not in the estimate.
CLIP = Limits(amber=0.0, red=0.5)

# E[w] = 1 when propensities are right and support is full. |z| > 3 happens by chance in 0.3 % of
# logs, |z| > 5 in 6e-7; a log large enough to see 0.1 % has no problem, so red asks also for a
# deviation of 2 %, the smallest relative effect an evaluation is used for.
MEAN_WEIGHT = Limits(amber=3.0, red=5.0)
MATERIAL_DEVIATION = 0.02


def support(log: LoggedDecisions) -> Finding:
    """Policy mass on what the logging policy could not show (at that position, in that row)."""
    mass, blocked = log.unsupported_mass, log.ineligible_mass
    never = mass - blocked
    where = [f"{blocked:.2%} is on options that were not eligible in their rows"] * (blocked > 0)
    where += [f"{never:.2%} is on options the log never shows"] * (never > 0 or not where)
    return SUPPORT.finding(
        "support",
        mass,
        f"{mass:.2%} of the policy's probability is on what the logging policy could not show: "
        + ", ".join(where),
        "evaluate a policy that chooses among each row's eligible options"
        if blocked > never
        else "their reward is a guess: log them, or evaluate a policy without them",
    )


def exploration(log: LoggedDecisions) -> Finding:
    """Share of rows in which the logging policy could show one action only."""
    share = float(np.mean(log.propensity >= 1.0 - 1e-12))
    return EXPLORATION.finding(
        "exploration",
        share,
        f"{share:.1%} of rows have propensity 1",
        "such a log does not show what another choice would have brought: randomise some decisions",
    )


def mean_weight(log: LoggedDecisions) -> Finding:
    """E[w] = 1, tested with the clustered standard error.

    What few written digits of the propensities may do to the mean is no deviation.
    """
    interval = mean_interval(log.weight - 1.0, log.unit)
    deviation, se = interval.estimate, interval.se
    written = relative_rounding(log.propensity)
    rounding = 0.0 if written is None else float((log.weight * written).mean())
    if abs(deviation) <= rounding * (1 + 1e-9):
        z = 0.0
    elif se > 1e-12:
        z = deviation / se
    else:
        z = 0.0 if abs(deviation) < 1e-9 else float(np.copysign(np.inf, deviation))
    finding = MEAN_WEIGHT.finding(
        "mean_weight",
        abs(z),
        f"the weights' mean is {1 + deviation:.4f}, expected 1 (z = {z:.1f})",
        "propensities are wrong, or the policy leaves the log's support",
    )
    if finding.status is Status.RED and abs(deviation) <= MATERIAL_DEVIATION:
        return Finding(finding.id, Status.AMBER, abs(z), MEAN_WEIGHT.amber, finding.message)
    return finding


def ess(log: LoggedDecisions) -> Finding:
    """Effective sample size of the weights, summed by unit."""
    value = effective_sample_size(unit_sums(log.weight, log.unit))
    return ESS.finding(
        "ess",
        value,
        f"effective sample size {value:.0f} of {log.n_units} units",
        "intervals cover less than they claim: log more, or evaluate a policy nearer to the log's",
    )


def top_weight(log: LoggedDecisions) -> Finding:
    """Largest unit's share of the sum of squared weights."""
    share = largest_share(unit_sums(log.weight, log.unit))
    return TOP_WEIGHT.finding(
        "top_weight",
        share,
        f"one unit carries {share:.1%} of the sum of squared weights "
        f"(largest weight {log.weight.max():.4g})",
        f"check the propensity of row {int(log.weight.argmax()) + 1}",
    )


def clip(log: LoggedDecisions, in_effect: LoggedDecisions) -> Finding:
    """The policy's probability that clipping took out of the estimate.

    Args:
        log: the policy against the log.
        in_effect: the same with the weights that the estimate uses.
    """
    lost = float((log.weight - in_effect.weight).mean())
    return CLIP.finding(
        "clip",
        lost,
        f"clipping leaves out {lost:.2%} of the policy's probability",
        "the estimate is biased by design, and its interval does not say by how much",
    )


def top_influence(log: LoggedDecisions, psi: Floats) -> Finding:
    """Largest unit's share of the variance of the estimate, psi (n,) its influence values."""
    share = largest_share(unit_sums(psi - psi.mean(), log.unit))
    found = TOP_INFLUENCE.finding(
        "top_influence",
        share,
        f"one unit carries {share:.1%} of the estimate's variance",
        "the interval rests on few units: look at them before you trust it",
    )
    return _left_to_the_tail(found, log, TOP_INFLUENCE)


def events(log: LoggedDecisions) -> Finding:
    """Effective number of rewards that differ from the usual one."""
    unusual = np.abs(log.reward - np.median(log.reward))
    unusual *= log.weight
    value = effective_sample_size(unit_sums(unusual, log.unit))
    found = EVENTS.finding(
        "events",
        value,
        f"the estimate rests on {value:.0f} effective rewards that differ from the usual one",
        "intervals of so few events are too narrow: log more",
    )
    return _left_to_the_tail(found, log, EVENTS)


def reward_tail(log: LoggedDecisions) -> Finding:
    """Whether the log is long enough for the largest rewards that there may be."""
    tail = log.tail
    found = REWARD_TAIL.finding(
        "reward_tail",
        tail.reach,
        f"the larger rewards spread like lognormal ones of sigma {tail.spread:.2g}, over "
        f"{tail.n_events:.0f} effective events",
        "their mean rests on rewards larger than so many events show, so that no interval holds: "
        "log more, or evaluate a reward with a cap",
    )
    if found.status is Status.GREEN and tail.tails.largest > WIDENED:
        advice = "intervals reach farther on that side, for large rewards that this log may lack"
        return replace(found, status=Status.AMBER, message=f"{found.message}; {advice}")
    return found


def _left_to_the_tail(found: Finding, log: LoggedDecisions, limits: Limits) -> Finding:
    """Return a red finding as amber where the interval allows for rewards as rare as that.

    Else logs that hold a large reward are refused and those that miss it are not, and the headlines
    that are left cover too rarely.
    """
    if found.status is Status.RED and log.tail.tails.largest >= ALLOWED_FOR:
        return replace(found, status=Status.AMBER, limit=limits.amber)
    return found


def largest_share(values: Floats) -> float:
    """Return max v^2 / sum v^2, 0 when all are 0.

    >>> largest_share(np.array([3.0, -4.0]))
    0.64
    """
    squares = np.square(values)
    total = float(squares.sum())
    return float(squares.max()) / total if total > 0 else 0.0
