"""What an outcome model is fitted to: the rewards, or labels freed of the noise of other steps.

A choice at one step of the checkout cannot change whether its shopper comes there, and once the
step is passed by a chosen option, what follows depends on that option and no longer on what was
shown. So, with R "came to the step", S "passed it" and M the option chosen there,

    E[y | x, a] = r(x) E[S g(x, M) | R, x, a],   r(x) = P(R | x),   g(x, m) = E[y | S, x, m],

and a model fitted to r(x) S g(x, M) on the rows that came there has the same target as one fitted
to y on all rows, with much less noise: that of the steps before and after is averaged out. M and S
are surrogates (Prentice 1989, Statistics in Medicine 8; Athey, Chetty, Imbens and Kang 2019, The
Surrogate Index, NBER 26463). r and g are cross-fitted by unit. Both assumptions have consequences
that a log with propensities can deny: neither R nor, after S, y may depend on what was shown. Where
the second is denied, r(x) y on the rows that came to the step is left: it needs the first alone.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.arrays import Floats, Mask
from cpz.data.dataset import Dataset
from cpz.data.errors import NotEnoughDataError
from cpz.data.policy import Visits
from cpz.features.decision_batch import DecisionBatch
from cpz.features.milestones import Milestones, milestones
from cpz.models.calibration import calibrate, recalibrated
from cpz.models.fitting import TreeConfig, outcome_fit
from cpz.models.outcome import objective_of

LabelKind = Literal["funnel", "upstream", "reward"]

#: Trees of r and g: they average noise out, so that a tree more or less moves little.
_N_TREES = 120
#: With fewer rows past the step, g would be noise itself.
_MIN_PASSED = 2_000
#: An option that was shown less often has no test of its own.
_MIN_SHOWN = 100
#: Below, the log denies an assumption.
_ALPHA = 0.001
_FOLD = "funnel_labels"


@dataclass(frozen=True, slots=True)
class Labels:
    """What to fit to which rows.

    Attributes:
        kind: "funnel" for the labels above; "upstream" for r(x) y, which only averages out what
            came before the step; "reward" for the rewards as logged.
        why: why not the funnel's; "" where they are taken.
        rows: (n,) which rows to fit on.
        value: (n,) the labels, meaningful there.
    """

    kind: LabelKind
    why: str
    rows: Mask
    value: Floats


def labels_of(
    dataset: Dataset, batch: DecisionBatch, config: TreeConfig, *, wants_funnel: bool = True
) -> Labels:
    """Return the labels for training rows: the funnel's where the log allows, else the rewards."""
    if not wants_funnel:
        return _rewards(batch, "as was asked")
    found = milestones(dataset, batch) if batch.action is not None else "there are no choices"
    return _rewards(batch, found) if isinstance(found, str) else labels_from(batch, found, config)


def labels_from(batch: DecisionBatch, found: Milestones, config: TreeConfig) -> Labels:
    """Return the labels of decisions whose milestones are known."""
    why = _unfit(batch, found)
    if why:
        return _rewards(batch, why)
    try:
        return _funnel_labels(batch, found, config)
    except NotEnoughDataError as error:
        return _rewards(batch, error.message)


def _funnel_labels(batch: DecisionBatch, found: Milestones, config: TreeConfig) -> Labels:
    reaching = _reaching(batch, found, config)
    came = _p_value(batch, found.reached - reaching)
    if came < _ALPHA:
        why = f"who came to the step differs by what was shown (p = {came:.1g})"
        return _rewards(batch, why)
    passing = _passing(batch, found, config)
    paid = _p_value(batch, np.where(found.passed, batch.reward - passing, 0.0))
    if paid < _ALPHA:
        why = f"what followed the step differs by what was shown (p = {paid:.1g})"
        return Labels("upstream", why, found.reached, reaching * batch.reward)
    return Labels("funnel", "", found.reached, reaching * found.passed * passing)


def _rewards(batch: DecisionBatch, why: str) -> Labels:
    everyone = np.ones(len(batch), dtype=np.bool_)
    return Labels("reward", why, everyone, batch.reward)


def _unfit(batch: DecisionBatch, found: Milestones) -> str:
    """Say what keeps the rows from having funnel labels, "" for nothing."""
    if batch.propensity is None or not np.isfinite(batch.propensity).any():
        return "without propensities the log cannot deny what such labels assume"
    if (batch.reward[~found.passed] != 0).any():
        return "some were rewarded without passing the step"
    if int(found.passed.sum()) < _MIN_PASSED:
        return f"only {int(found.passed.sum())} passed the step, fewer than {_MIN_PASSED}"
    if found.reached.all() and found.passed.all():
        return "nobody left before or at the step"
    if float(np.ptp(batch.reward[found.passed])) == 0.0:
        return "everybody who passed the step has the same reward"
    return ""


def _reaching(batch: DecisionBatch, found: Milestones, config: TreeConfig) -> Floats:
    """Return r(x) for each row, (n,); 1 where everybody comes to the step."""
    if found.reached.all():
        return np.ones(len(batch))
    everyone = np.ones(len(batch), dtype=np.bool_)
    outcome = found.reached.astype(np.float64)
    return _cross_fitted(_without_choice(batch, batch.context, outcome), everyone, config)


def _passing(batch: DecisionBatch, found: Milestones, config: TreeConfig) -> Floats:
    """Return g(x, m) for each row, (n,), meaningful where the step was passed."""
    context = batch.context.with_columns(found.chosen.alias("chosen_at_step"))
    return _cross_fitted(_without_choice(batch, context, batch.reward), found.passed, config)


def _without_choice(batch: DecisionBatch, context: pl.DataFrame, outcome: Floats) -> DecisionBatch:
    visits = Visits("", ("session",), np.ones((len(batch), 1), dtype=np.bool_), context)
    return replace(
        batch, visits=visits, action=None, propensity=None, position=None, reward=outcome
    )


def _cross_fitted(batch: DecisionBatch, rows: Mask, config: TreeConfig) -> Floats:
    """Predict each half of the units by a model that was fitted to `rows` of the other half.

    Few trees are too cautious, which the labels would inherit: so the predictions are recalibrated.
    """
    fit = outcome_fit(batch, replace(config, n_trees=_N_TREES))
    half = keyed.fold_of(config.seed, _FOLD, batch.unit, 2)
    result = np.empty(len(batch))
    for fold in (0, 1):
        mine = np.flatnonzero(half == fold)
        model = fit(rows & (half != fold))
        result[mine] = model.predict(batch.context[mine], np.zeros(len(mine), dtype=np.int64))
    is_binary = objective_of(batch.reward[rows]) == "binary"
    line = calibrate(batch.reward[rows], result[rows], is_binary=is_binary)
    return recalibrated(result, line, is_binary=is_binary)


def _p_value(batch: DecisionBatch, residual: Floats) -> float:
    """Return the p-value that residuals do not depend on what was shown.

    What was shown was drawn with the logged propensity p(a | x). So for each option a, whatever the
    residuals e depend on beside it and however poor the prediction behind them, the sum over the
    rows that could show it of e (1[shown a] / p - 1) has mean zero, and its increments are
    martingale differences: z = sum / sqrt(sum of squares). Bonferroni over the options.
    """
    assert batch.action is not None
    assert batch.propensity is not None
    known = np.isfinite(batch.propensity) & (batch.propensity > 0)
    weight = 1.0 / np.where(known, batch.propensity, 1.0)
    smallest, n_tests = 1.0, 0
    for option in range(len(batch.options)):
        shown = batch.action == option
        if int((shown & known).sum()) < _MIN_SHOWN:
            continue
        rows = known & batch.visits.eligible[:, option]
        parts = residual[rows] * (weight[rows] * shown[rows] - 1.0)
        spread = math.sqrt(float((parts**2).sum()))
        n_tests += 1
        if spread > 0:
            smallest = min(smallest, math.erfc(abs(float(parts.sum())) / spread / math.sqrt(2.0)))
    return min(1.0, smallest * n_tests)
