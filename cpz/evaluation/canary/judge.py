"""Judge a canary by metric series: transform, classify, score, threshold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import DataError
from cpz.evaluation.canary import autocorrelation_robust, kayenta
from cpz.evaluation.canary.classification import Classification
from cpz.evaluation.canary.counters import increments
from cpz.evaluation.canary.decide import absent, incomparable, required_data, without_data
from cpz.evaluation.canary.reading import Reading, is_counter, read_values
from cpz.evaluation.canary.score import Score, score
from cpz.evaluation.canary.series_pair import SeriesPair
from cpz.evaluation.canary.transform import transform
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules
from cpz.ingest.canaries.metric_series import MetricSeries

Judge = Literal["kayenta", "cpz"]
Series = Mapping[str, MetricSeries]

_SHORT_SERIES = 12
_EMPTY = np.empty(0)


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a judge says of a canary."""

    judge: Judge
    score: Score
    metrics: dict[str, Classification]
    notes: tuple[str, ...]


def judge_canary(baseline: Series, canary: Series, config: JudgeConfig, judge: Judge) -> Judgment:
    """Judge every configured metric, or every metric of the series where none is configured.

    Args:
        baseline: the baseline's series by metric.
        canary: the canary's.
        config: rules, weights, thresholds.
        judge: which classifier.

    Raises:
        DataError: there is no metric, as none is configured and no series has a value; or a
            metric of counts has values that are none.
    """
    names = tuple(config.metrics) or tuple(dict.fromkeys((*baseline, *canary)))
    if not names:
        raise DataError(
            "there is nothing to judge: no file has a row and no metric is configured",
            hint="export the series again, or name the expected metrics in a --config file",
        )
    metrics = {name: _classify(name, (baseline, canary), config, judge) for name in names}
    found = score(metrics, config)
    return Judgment(judge, found, metrics, _notes(config, found, (*baseline, *canary)))


def _classify(
    name: str, series: tuple[Series, Series], config: JudgeConfig, judge: Judge
) -> Classification:
    rules = config.rules(name)
    measured = (_n_measured(series[0].get(name)), _n_measured(series[1].get(name)))
    if judge == "cpz":
        if rules.must_have_data and not min(measured):
            return required_data(rules, measured)
        found = _classify_robustly(name, series, config)
    else:
        (baseline, _), (canary, _) = (_side(side.get(name), rules) for side in series)
        found = kayenta.classify(baseline, canary, rules)
    if rules.nan_strategy == "replace" and not min(measured):
        return replace(found, notes=(*found.notes, _dead(rules, measured)))
    return found


def _dead(rules: MetricRules, measured: tuple[int, int]) -> str:
    note = f"no values in {absent(measured)}, read as zero events"
    if rules.must_have_data:
        return f"{note} although must_have_data is set; the cpz judge fails this"
    return f"{note}: set must_have_data if a silent exporter must fail"


def _classify_robustly(
    name: str, series: tuple[Series, Series], config: JudgeConfig
) -> Classification:
    rules = config.rules(name)
    known, resets = _per_interval(name, series, rules)
    (baseline, baseline_at), (canary, canary_at) = (_side(side, rules) for side in known)
    n = (len(baseline), len(canary))
    if not min(n):
        return without_data(rules, n)
    if rules.kind == "count":
        _require_counts(name, np.concatenate([baseline, canary]))
    exposures = None
    if rules.exposure is not None:
        trials, _ = _per_interval(rules.exposure, series, config.rules(rules.exposure))
        exposures = _exposures(trials, (baseline_at, canary_at))
        if not min(exposures) > 0:
            return incomparable(rules, _unexposed(rules.exposure, exposures), n)
    pair = SeriesPair(baseline, canary, baseline_at, canary_at, exposures)
    reading = _reading(name, rules, pair, resets)
    found = autocorrelation_robust.classify(pair, rules, reading)
    return replace(found, notes=_metric_notes(found))


def _n_measured(series: MetricSeries | None) -> int:
    return 0 if series is None else int((~np.isnan(series.values)).sum())


def _per_interval(
    name: str, series: tuple[Series, Series], rules: MetricRules
) -> tuple[list[MetricSeries | None], int | None]:
    """Return both series, a counter's as increments, and how often it was reset; None if none."""
    known = [side.get(name) for side in series]
    if not is_counter(name, rules, *(side.values for side in known if side is not None)):
        return known, None
    gained: list[MetricSeries | None] = []
    resets = 0
    for side in known:
        values, times = increments(_EMPTY if side is None else side.values)
        resets += times
        # the first total has no increment, which is nothing missing
        gained.append(None if side is None else replace(side, at=side.at[1:], values=values[1:]))
    return gained, resets


def _reading(name: str, rules: MetricRules, pair: SeriesPair, resets: int | None) -> Reading:
    if resets is None:
        return read_values(name, rules, pair.baseline, pair.canary)
    why = "as declared" if rules.kind == "counter" else "its name is of totals and it only rises"
    return Reading("counter", f"{why}; increments are compared, {resets} resets")


def _require_counts(name: str, values: Floats) -> None:
    """Refuse what no count can be, before it is rounded away."""
    bad = values[(values < 0) | (values != np.round(values))]
    if len(bad):
        raise DataError(
            f"metric {name}: {len(bad)} of {len(values)} values are no counts (first: {bad[0]:g}); "
            'kind = "count" expects whole numbers from 0',
            hint='give counts and their exposure, or set kind = "value"',
        )


def _side(series: MetricSeries | None, rules: MetricRules) -> tuple[Floats, Ints]:
    if series is None:
        return _EMPTY, _EMPTY.astype(np.int64)
    values, kept = transform(series.values, rules)
    return values, series.at[kept]


def _exposures(trials: list[MetricSeries | None], times: tuple[Ints, Ints]) -> tuple[float, float]:
    """Return the trials of both groups at the times of the values; 0 where there are none.

    Trials at a time without a value would make a gap in the values a fall of the rate.
    """
    found = [0.0, 0.0]
    for index, (side, at) in enumerate(zip(trials, times, strict=True)):
        if side is not None:
            at_values = np.isin(side.at, at, assume_unique=True)
            found[index] = float(np.nansum(side.values[at_values]))
    return found[0], found[1]


def _unexposed(name: str, exposures: tuple[float, float]) -> str:
    where = " and ".join(
        group
        for group, trials in zip(("baseline", "canary"), exposures, strict=True)
        if not trials > 0
    )
    return f"no trials in {where}: its exposure {name!r} has no values above 0 at its times"


def _metric_notes(found: Classification) -> tuple[str, ...]:
    comparison = found.comparison
    if comparison is None or comparison.effective_n is None or comparison.detectable is None:
        return ()
    points = min(found.n)
    if comparison.effective_n < min(_SHORT_SERIES, points / 2):
        return (
            f"{points} points are worth {comparison.effective_n:.1f} independent ones: "
            f"differences below {comparison.detectable:.3g} are mostly missed",
        )
    return ()


def _notes(config: JudgeConfig, found: Score, names: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    total = sum(group.weight for group in found.groups.values())
    if abs(total - 100.0) > 1e-9:
        notes.append(f"the groups' weights sum to {total:g}; they are not renormalised")
    known = {*config.metrics, *_exposure_names(config)}
    unused = [name for name in dict.fromkeys(names) if name not in known]
    if config.metrics and unused:
        notes.append(f"not judged, because no rules are given: {', '.join(unused)}")
    return tuple(notes)


def _exposure_names(config: JudgeConfig) -> set[str]:
    return {rules.exposure for rules in config.metrics.values() if rules.exposure}
