import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS, STEPS
from cpz.simulator.summary.dataset import summary


def test_summary_counts_the_dataset(baseline: Dataset) -> None:
    result = summary(baseline)
    sessions = baseline.frame("sessions")
    assert result.n_sessions == 20_000
    assert result.conversion == pytest.approx(sessions["converted"].mean())
    assert tuple(s.step for s in result.funnel) == STEPS
    assert result.funnel[0].n_sessions == 20_000
    assert result.funnel[-1].n_sessions < result.funnel[3].n_sessions
    for groups, column in ((result.by_device, "device"), (result.by_country, "country")):
        assert sum(g.n_sessions for g in groups) == 20_000
        for group in groups:
            mine = sessions.filter(pl.col(column).cast(pl.String) == group.name)
            assert group.n_sessions == len(mine)
            assert group.conversion == pytest.approx(mine["converted"].mean())
    assert sum(m.share for m in result.methods) == pytest.approx(1.0)
    assert sum(m.n_purchases for m in result.methods) == sessions["converted"].sum()
    assert 0.02 < result.decline_rate < 0.08
    # one in seven forms of a phone without an account, far fewer with one
    assert 0.02 < result.form_error_rate < 0.15


def test_summary_gives_the_range_of_propensities(baseline: Dataset) -> None:
    result = summary(baseline)
    assert tuple(p.placement for p in result.propensities) == PLACEMENTS
    # epsilon 0.3 over three options at most: the smallest is 0.3 / 3
    assert result.propensities[2].smallest == pytest.approx(0.1)
    assert all(0 < p.smallest <= p.largest <= 1 for p in result.propensities)
