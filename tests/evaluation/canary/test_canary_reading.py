"""What values are: counts, counters, gauges, and nothing at all."""

import numpy as np
import pytest

from cpz.evaluation.canary.classification import Classification, Label
from cpz.evaluation.canary.judge import Judge, judge_canary
from cpz.evaluation.canary.reading import read_values
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules
from cpz.ingest.canaries.metric_series import MetricSeries
from tests.evaluation.canary.conftest import AT, classify, pair


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("up", [1.0, 0.0, 1.0, 1.0], "value"),
        ("latency_p99_seconds", [2.0, 3.0, 2.0, 4.0], "value"),
        ("replicas", [3.0, 3.0, 2.0, 3.0], "value"),
        ("checkout_errors", [0.0, 2.0, 0.0, 1.0], "count"),
        ("checkoutErrors", [0.0, 1.0, 0.0, 0.0], "count"),
        ("http_5xx", [0.0, 2.0, 0.0, 1.0], "count"),
        ("errors_p99_ms", [0.0, 2.0, 0.0, 1.0], "value"),
        ("errors", [0.5, 2.0, 0.0, 1.0], "value"),
        ("errors", [50.0, 70.0, 60.0, 65.0], "value"),
        ("errors", [2.0, 3.0] * 20, "value"),
        ("anything", [0.0, 2.0, 0.0, 1.0], "value"),
    ],
)
def test_how_values_are_read(name: str, values: list[float], kind: str) -> None:
    found = np.array(values)
    reading = read_values(name, MetricRules(), found, found)
    assert reading.kind == kind
    assert reading.reason
    for declared in ("count", "value"):
        assert read_values(name, MetricRules(kind=declared), found, found).kind == declared
    shared = MetricRules(exposure="requests")
    is_whole = bool((found == np.round(found)).all()) and found.mean() < 5
    assert read_values(name, shared, found, found).kind == ("count" if is_whole else "value")


def test_harm_does_not_change_the_reading() -> None:
    errors = np.tile([0.0, 1.0, 0.0, 2.0], 15)
    for more in (0.0, 3.0, 300.0):
        assert read_values("errors", MetricRules(), errors, errors + more).kind == "count"
        found = classify(pair(errors, errors + more), MetricRules(), "errors")
        assert found.classification is (Label.HIGH if more else Label.PASS)


def totals(gained: np.ndarray, reset_at: int) -> np.ndarray:
    """Return the running totals of a counter that is reset once."""
    return np.concatenate([np.cumsum(gained[:reset_at]), np.cumsum(gained[reset_at:])])


def judged_counter(
    name: str, sides: tuple[np.ndarray, np.ndarray], config: JudgeConfig
) -> Classification:
    baseline, canary = ({name: MetricSeries(name, AT, values)} for values in sides)
    return judge_canary(baseline, canary, config, "cpz").metrics[name]


def test_a_reset_counter_is_compared_by_what_it_gained() -> None:
    rng = np.random.default_rng(23)
    gained = rng.poisson(40, (2, 60)).astype(float)
    equal = (np.cumsum(gained[0]), totals(gained[1], 45))
    found = judged_counter("requests_total", equal, JudgeConfig())
    assert found.classification is Label.PASS
    assert found.reading is not None
    assert (found.reading.kind, "1 resets" in found.reading.reason) == ("counter", True)
    assert found.n == (59, 59)
    worse = (equal[0], totals(gained[1] + 20, 45))
    assert judged_counter("requests_total", worse, JudgeConfig()).classification is Label.HIGH
    declared = JudgeConfig(metrics={"work": MetricRules(kind="counter")})
    assert judged_counter("work", worse, declared).classification is Label.HIGH
    # totals of each minute rise and fall, whatever they are called
    per_minute = judged_counter("requests_total", (gained[0], gained[1]), JudgeConfig())
    assert per_minute.reading is not None
    assert per_minute.reading.kind == "value"


def test_counters_of_events_and_of_trials_make_a_rate() -> None:
    rng = np.random.default_rng(25)
    sides = [
        {
            "errors_total": MetricSeries(
                "errors_total", AT, np.cumsum(rng.poisson(mean, 60)).astype(float)
            ),
            "requests_total": MetricSeries("requests_total", AT, totals(np.full(60, trials), 30)),
        }
        for mean, trials in ((40, 1000.0), (4, 100.0))
    ]
    rules = {"errors_total": MetricRules(exposure="requests_total")}
    found = judge_canary(sides[0], sides[1], JudgeConfig(metrics=rules), "cpz")
    one = found.metrics["errors_total"]
    assert one.classification is Label.PASS
    assert one.ratio == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("judge", ["cpz", "kayenta"])
@pytest.mark.parametrize("dead", ["absent", "missing"])
@pytest.mark.parametrize("is_critical", [False, True])
def test_a_dead_exporter(judge: Judge, dead: str, is_critical: bool) -> None:
    live = {"errors": MetricSeries("errors", AT, np.tile([0.0, 1.0], 30))}
    gone = {} if dead == "absent" else {"errors": MetricSeries("errors", AT, np.full(60, np.nan))}
    rules = MetricRules(
        nan_strategy="replace", must_have_data=True, direction="increase", critical=is_critical
    )
    found = judge_canary(live, gone, JudgeConfig(metrics={"errors": rules}), judge)
    one = found.metrics["errors"]
    if judge == "cpz":
        assert one.classification is Label.NODATA_FAIL
        assert (found.score.score, found.score.classification) == (0.0, "fail")
        assert one.is_critical_failure is is_critical
    else:
        assert one.classification is Label.PASS
        assert any("must_have_data" in note for note in one.notes)


def test_values_read_as_zeros_are_said() -> None:
    live = {"errors": MetricSeries("errors", AT, np.tile([0.0, 1.0], 30))}
    config = JudgeConfig(metrics={"errors": MetricRules(nan_strategy="replace")})
    one = judge_canary(live, {}, config, "cpz").metrics["errors"]
    assert one.classification is Label.PASS
    assert any("zero events" in note for note in one.notes)
