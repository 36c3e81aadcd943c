"""Flat logs from end to end: many options, coarse times, short propensities, what was eligible."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.arrays import Floats
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.copies import tells_copies
from cpz.evaluation.log_study import OffPolicyConfig, evaluate_log
from cpz.evaluation.ope.audit.findings import Finding, Status
from cpz.evaluation.ope.results import OffPolicyResult
from cpz.ingest.logs.decision_rows import decision_rows
from cpz.ingest.logs.flat_log import FlatLog, flat_log, load_flat_log
from cpz.ingest.logs.mapping import DecisionMapping, load_mapping

FIXTURES = Path(__file__).parents[1] / "fixtures" / "evaluate"
WEIGHTING = OffPolicyConfig(estimators=("ipw", "snipw"))


def _mapping(path: Path, **columns: str) -> DecisionMapping:
    lines = "\n".join(f'{key} = "{name}"' for key, name in columns.items())
    file = path / "map.toml"
    file.write_text(f'kind = "decisions"\n[columns]\n{lines}\n')
    mapping = load_mapping(file)
    assert isinstance(mapping, DecisionMapping)
    return mapping


def _evaluate(log: FlatLog, policy: Floats) -> OffPolicyResult:
    rows = ActionProbabilities(policy[None, :], np.zeros(len(log), dtype=np.int64))
    return evaluate_log(log, rows, None, WEIGHTING).off_policy


def _found(result: OffPolicyResult, name: str) -> Finding:
    return next(one for one in result.audit.findings if one.id == name)


def test_a_thousand_options_of_a_uniform_log(tmp_path: Path) -> None:
    mapping = _mapping(tmp_path, action="action", reward="reward", propensity="propensity")
    log = load_flat_log(FIXTURES / "thousand_actions.csv", mapping)
    table = np.full((1, 1000), 0.001)
    actions = pl.read_csv(FIXTURES / "thousand_actions.csv")["action"].to_numpy()
    whole = FlatLog(
        **{name: getattr(log, name) for name in FlatLog.__slots__}
        | {"options": tuple(map(str, range(1000))), "action": actions}
    )
    policy = ActionProbabilities(table, np.zeros(len(log), dtype=np.int64))
    result = evaluate_log(whole, policy, None, WEIGHTING).off_policy
    assert result.audit.status is not Status.RED
    assert result.policy_value["ipw"].estimate == pytest.approx(log.reward.mean())


def test_days_are_no_duplicates_and_short_thirds_no_broken_mean(tmp_path: Path) -> None:
    mapping = _mapping(tmp_path, action="a", reward="r", propensity="p", decided_at="day")
    log = load_flat_log(FIXTURES / "dated_by_day.csv", mapping)
    assert log.n_duplicates > 1000
    result = _evaluate(log, np.full(3, 1 / 3))
    assert _found(result, "duplicates").status is Status.UNCHECKED
    assert _found(result, "mean_weight").status is Status.GREEN
    assert result.audit.status is Status.GREEN
    assert result.uplift["ipw"].ci == (0.0, 0.0)
    # the same rows at their own second, a tenth of them again
    assert log.decided_at is not None
    seconds = log.decided_at.dt.offset_by(pl.Series(np.arange(len(log))).cast(pl.String) + "s")
    timed = {
        "action": log.action,
        "reward": log.reward,
        "propensity": log.propensity,
        "decided_at": seconds,
    }
    frame = pl.DataFrame(timed)
    again = decision_rows(
        pl.concat([frame, frame[:400]]),
        _mapping(tmp_path, **{name: name for name in timed}),
        tmp_path,
    )
    repeated = _evaluate(
        flat_log(again, _mapping(tmp_path, **{n: n for n in timed}), tmp_path), np.full(3, 1 / 3)
    )
    assert _found(repeated, "duplicates").status is Status.RED
    assert _found(repeated, "duplicates").value == pytest.approx(400 / (len(frame) + 400))


def test_mass_on_ineligible_options_is_named(tmp_path: Path) -> None:
    """Option c was on offer in every other row; the policy goes there in all of them."""
    n = 2000
    row = np.arange(n)
    rng = np.random.default_rng(3)
    is_open = row % 2 == 0
    action = np.where(is_open, rng.integers(0, 3, n), rng.integers(0, 2, n))
    frame = pl.DataFrame(
        {
            "action": np.array(["a", "b", "c"])[action],
            "reward": rng.integers(0, 2, n).astype(np.float64),
            "propensity": np.where(is_open, 1 / 3, 0.5),
            "eligible": np.where(is_open, "a|b|c", "a|b"),
        }
    )
    mapping = _mapping(tmp_path, **{name: name for name in frame.columns})
    log = flat_log(decision_rows(frame, mapping, tmp_path), mapping, tmp_path)
    result = _evaluate(log, np.array([0.1, 0.1, 0.8]))
    found = _found(result, "support")
    assert found.status is Status.RED
    assert found.value == pytest.approx(0.4)
    assert "not eligible" in found.message
    assert _found(result, "propensity_calibration").status is Status.GREEN
    assert _found(_evaluate(log, np.array([0.5, 0.5, 0.0])), "support").status is Status.GREEN


def test_coarse_stamps_tell_no_copies() -> None:
    rng = np.random.default_rng(5)
    n = 2000
    unit = pl.Series(np.arange(n) // 5)
    # a shopper is shown one option for good, and hardly ever buys
    sticky = pl.DataFrame(
        {"action": np.repeat(rng.integers(0, 4, n // 5), 5), "reward": rng.random(n) < 0.02}
    )
    days = pl.DataFrame({"unit": unit, "day": rng.integers(0, 3, n)})
    assert not tells_copies(days, sticky, unit)
    seconds = pl.DataFrame({"unit": unit, "second": rng.integers(0, 10**6, n)})
    twice = np.r_[np.arange(n), np.arange(100)]
    assert tells_copies(seconds[twice], sticky[twice], unit[twice])
    # rows of one stamp that differ, and copies among them
    varied = pl.DataFrame({"reward": rng.random(n)})
    assert tells_copies(days[twice], varied[twice], unit[twice])
