"""Checks of overlap: can this log say anything about this policy?

The limits of ESS, single-unit share and effective events come from one simulation: nominal 95 %
intervals of ipw, snipw and dr on 12,960 logs of 500 to 10,000 rows, 10 actions, softmax logging and
evaluation policies of nine degrees of disagreement, conversion rates from about 1 to 35 %. Coverage
in bands of each diagnostic, as ipw / snipw / dr (a slow test draws the same logs again):

    ESS        10-20  .48 / .56 / .63    50-75   .65 / .71 / .72    150-200  .82 / .84 / .85
               200-300 .83 / .85 / .87   over 500 .93 / .93 / .93
    top unit   over .5 .49 / .52 / .72   .1-.2   .78 / .82 / .83    under .02 .94 / .94 / .94
    events     2-5    .61 / .65 / .74    20-30   .80 / .84 / .87    30-50    .88 / .89 / .90

The ratio ESS / n carries no limit: at equal ESS, logs of 500 and of 10,000 rows covered alike.
"""

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.ope.findings import Finding, Limits, Status
from cpz.evaluation.ope.interval import effective_sample_size, mean_interval, unit_sums
from cpz.evaluation.ope.log import LoggedDecisions

# Mass on unseen actions biases a weighted mean by at most that share of the rewards' range. One
# hundredth of the range is as large as the effects that are looked for (1 to 2 points of
# conversion), so beyond it the sign may be wrong; the amber limit is rounding in a policy file.
SUPPORT = Limits(amber=1e-6, red=0.01)

# Where propensity is 1 nothing else could be shown. With no other rows there is no experiment.
# Half such rows halve the information without bias: worth saying, no reason to refuse.
EXPLORATION = Limits(amber=0.5, red=1.0 - 1e-12)

# See the table above: just above 50 three intervals in ten miss, at 200 one in six.
ESS = Limits(amber=200, red=50, is_high_bad=False)

# Share of one unit in the sum of squared weights. Above one half, leaving that unit out more than
# doubles the ESS: the log is one shopper. The table's .1-.2 band already misses one in five.
TOP_WEIGHT = Limits(amber=0.1, red=0.5)

# Share of one unit in the variance of the estimate. Rare rewards alone bring it to .4 (46 clicks in
# 10,000 rows), which the events check speaks of; above .9 the interval is one unit.
TOP_INFLUENCE = Limits(amber=0.1, red=0.9)

# Events that carry the estimate, (sum w |r - median|)^2 / sum (w (r - median))^2. See the table.
EVENTS = Limits(amber=30, red=5, is_high_bad=False)

# E[w] = 1 when propensities are right and support is full. |z| > 3 happens by chance in 0.3 % of
# logs, |z| > 5 in 6e-7; a log large enough to see 0.1 % has no problem, so red asks also for a
# deviation of 2 %, the smallest relative effect an evaluation is used for.
MEAN_WEIGHT = Limits(amber=3.0, red=5.0)
MATERIAL_DEVIATION = 0.02


def support(log: LoggedDecisions) -> Finding:
    """Policy mass on actions that were never logged (at that position)."""
    mass = log.unsupported_mass
    return SUPPORT.finding(
        "support",
        mass,
        f"{mass:.2%} of the policy's probability is on actions the log never shows",
        "their reward is a guess: log them, or evaluate a policy without them",
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
    """E[w] = 1, tested with the clustered standard error."""
    interval = mean_interval(log.weight - 1.0, log.unit)
    deviation, se = interval.estimate, interval.se
    if se > 1e-12:
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


def top_influence(log: LoggedDecisions, psi: Floats) -> Finding:
    """Largest unit's share of the variance of the estimate, psi (n,) its influence values."""
    share = largest_share(unit_sums(psi - psi.mean(), log.unit))
    return TOP_INFLUENCE.finding(
        "top_influence",
        share,
        f"one unit carries {share:.1%} of the estimate's variance",
        "the interval rests on few units: look at them before you trust it",
    )


def events(log: LoggedDecisions) -> Finding:
    """Effective number of rewards that differ from the usual one."""
    unusual = np.abs(log.reward - np.median(log.reward))
    unusual *= log.weight
    value = effective_sample_size(unit_sums(unusual, log.unit))
    return EVENTS.finding(
        "events",
        value,
        f"the estimate rests on {value:.0f} effective rewards that differ from the usual one",
        "intervals of so few events are too narrow: log more",
    )


def largest_share(values: Floats) -> float:
    """Return max v^2 / sum v^2, 0 when all are 0.

    >>> largest_share(np.array([3.0, -4.0]))
    0.64
    """
    squares = np.square(values)
    total = float(squares.sum())
    return float(squares.max()) / total if total > 0 else 0.0
