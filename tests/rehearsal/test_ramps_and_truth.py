"""Ramps as they are asked for, the horizon they get, and the truth beside an estimate."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.policy import Policy, PopularityPolicy
from cpz.data.workspace import Workspace
from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.log_study import OffPolicyConfig
from cpz.evaluation.placement_study import study_placement
from cpz.features.assemble import decision_batch
from cpz.rehearsal import ramp
from cpz.rehearsal.arms import Arm, arm_of
from cpz.rehearsal.hourly_sums import Ramp
from cpz.rehearsal.ramp import WorldRun, finish_ramp, plan_ramp, ramp_scenario, start_ramp
from cpz.rehearsal.ramp_arguments import Injection, parse_allowed, parse_injection, parse_ramp
from cpz.rehearsal.true_values import true_values
from cpz.rehearsal.visits import Visits
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.settings import Promotion
from cpz.simulator.true_value import expected_rewards


@pytest.mark.parametrize("text", ["1,1", "5,1", "0,5", "-1,5", "1,101", "100", "", "x"])
def test_a_ramp_ascends_from_above_zero_to_100_at_most(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ramp(text)


def test_a_ramp_may_end_at_100_and_be_one_step() -> None:
    assert parse_ramp("99,100") == (0.99, 1.0)
    assert parse_ramp("0.5") == (0.005,)


@pytest.mark.parametrize(
    ("text", "found"),
    [("conversion=-100%", -1.0), ("conversion=0%", 0.0), ("conversion=-5%", -0.05)],
)
def test_purchases_can_be_undone_and_not_invented(text: str, found: float) -> None:
    assert parse_injection(text).conversion == found
    for beyond in ("conversion=-101%", "conversion=1%", "error_rate=-1%", "latency_ms=-1"):
        with pytest.raises(UsageError):
            parse_injection(beyond)


def test_a_margin_is_above_zero() -> None:
    assert parse_allowed("conversion=3%,latency_ms=50") == {"conversion": 0.03, "latency_ms": 50.0}
    assert parse_allowed(None) == {}
    for wrong in ("conversion=0%", "conversion=-3%", "conversion=3", "latency_ms=5%"):
        with pytest.raises(UsageError):
            parse_allowed(wrong)


@pytest.mark.parametrize(("text", "epsilon"), [("epsilon:0", 0.0), ("epsilon:1", 1.0)])
def test_epsilon_goes_from_0_to_1(tmp_path: Path, text: str, epsilon: float) -> None:
    arm = arm_of(text, "payment", Workspace(tmp_path))
    assert arm.overrides[1] == f"logging.payment.epsilon={epsilon}"
    for beyond in ("epsilon:-0.01", "epsilon:1.01", "epsilon:x"):
        with pytest.raises(UsageError):
            arm_of(beyond, "payment", Workspace(tmp_path))


@pytest.mark.parametrize(("hours_per_step", "days"), [(12, 1), (13, 2), (24, 2)])
def test_a_ramps_horizon_is_its_whole_days(hours_per_step: int, days: int) -> None:
    """Two steps; promotions of day 0, 1 and 2, of which those stay that begin within."""
    calendar = tuple(Promotion(first_day=day, days=1) for day in range(3))
    scenario = msgspec.structs.replace(load_scenario("tiny"), promotions=calendar)
    found = ramp_scenario(scenario, Ramp((0.1, 0.5), hours_per_step))
    assert found.horizon.days == days
    assert [promotion.first_day for promotion in found.promotions] == list(range(days))
    # visits come at the scenario's own rate
    assert found.traffic.visits_mean / days == pytest.approx(
        scenario.traffic.visits_mean / scenario.horizon.days
    )


def visits(*hours: int) -> Visits:
    """Return one visit an hour given, of two shoppers in turn, of which the first always buys."""
    n = len(hours)
    shopper = np.arange(n) % 2
    return Visits(
        hour=np.array(hours, dtype=np.int64),
        place=np.zeros(n),
        shopper=shopper,
        converted=shopper == 0,
        error=np.zeros(n, dtype=np.bool_),
        margin_cents=np.zeros(n),
        latency_ms=np.ones(n),
    )


def test_a_ramp_is_planned_from_the_hours_that_compare() -> None:
    """Steps of 2 hours at 10 %, 50 % and 100 %: four hours compare, with five of seven visits."""
    plan = plan_ramp(visits(0, 1, 2, 3, 3, 4, 5), (0.1, 0.5, 1.0), 2, GUARDRAILS[0])
    assert plan.conversion == 3 / 5
    assert plan.units_per_hour == 2 / 4
    assert [step.share for step in plan.steps] == [0.1, 0.5, 1.0]
    nobody = plan_ramp(visits(7, 8), (0.1, 0.5), 2, GUARDRAILS[0])
    assert (nobody.conversion, nobody.units_per_hour) == (0.0, 0.0)


def test_the_truth_beside_an_estimate(tmp_path: Path) -> None:
    """Each session's expected reward under what each policy does there, from the sealed truth."""
    log = simulate(
        Workspace(tmp_path), load_scenario("tiny"), SimulationConfig("d", 2_000, 5), lambda _: None
    )
    batch = decision_batch(log, "offer")
    options = batch.options
    first = PopularityPolicy("offer", options, {"": (0.9, *[0.1] * (len(options) - 1))})
    everyone = np.ones(len(batch), dtype=np.bool_)
    config = OffPolicyConfig(estimators=("ipw", "snipw"))
    study = study_placement(batch, everyone, {"first": first}, "first", config)
    found = true_values(log, study)
    expected = expected_rewards(log, "offer", study.session_ids)
    pi = study.propensities["first"]
    by_hand = float(np.where(pi > 0, pi * expected, 0.0).sum(axis=1).mean())
    assert found.policy_value == pytest.approx(by_hand)
    assert found.policies == {"first": found.policy_value}
    assert found.uplift == found.policy_value - found.logging_value
    assert found.uplift != found.policy_value
    assert found.best_value >= max(found.policy_value, found.logging_value)
    assert found.is_covered == {
        name: value.ci[0] <= found.policy_value <= value.ci[1]
        for name, value in study.off_policy.policy_value.items()
    }


@dataclass(frozen=True, slots=True)
class TrainedArm:
    """As much of an arm as a ramp asks of it; its policy always shows the last option."""

    placement: str = "offer"
    overrides: tuple[str, ...] = ()
    is_trained: bool = True

    def policies(self, shoppers: pl.DataFrame) -> Mapping[str, Policy]:
        assert len(shoppers) > 0
        options = load_scenario("tiny").catalogues()["offer"]
        weights = (*[0.0] * (len(options) - 1), 1.0)
        return {"offer": PopularityPolicy("offer", options, {"": weights})}


def test_a_trained_canary_decides_in_its_ramp(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world is run with its policies, with none for rules, and for its shoppers first."""
    decided: list[list[str]] = []

    def seen(*arguments: Any) -> Dataset:
        decided.append(sorted(arguments[4] or {}))
        return simulate(*arguments)

    @contextmanager
    def progress(_text: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield lambda _: None

    monkeypatch.setattr(ramp, "simulate", seen)
    run = WorldRun("tiny", (), Ramp((0.5,), 24), 200, 3, 1)
    rule, trained = Arm("offer"), cast("Arm", TrainedArm())
    started = start_ramp(run, rule, progress)
    assert decided == [[]]
    finish_ramp(started, trained, Injection(), progress)
    assert decided == [[], ["offer"]]
    start_ramp(run, trained, progress)
    assert decided == [[], ["offer"], [], ["offer"]]
    finish_ramp(started, None, Injection(), progress)
    assert len(decided) == 4


def test_nothing_is_injected_unless_asked_for() -> None:
    assert parse_injection(None) == Injection(0.0, 0.0, 0.0, 0.0)
