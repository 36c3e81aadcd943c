"""Both directions of the Open Bandit Dataset against the golden numbers of obp 0.5.7."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.interval import effective_sample_size
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import ESTIMATORS

Columns = Callable[[str], LogColumns]
Reduce = Callable[[LogColumns, str, str], LoggedDecisions]
Golden = Callable[[str, str], dict[str, Any]]

directions = pytest.mark.parametrize(
    ("logged", "policy"), [("random", "bts"), ("bts", "random")], ids=["to_bts", "to_random"]
)
NAMES = {"switch-dr": "switch_dr", "dr-os": "dr_os"}


def _golden_case(key: str) -> tuple[str, EstimatorParameters] | None:
    """Read a golden key such as `dr_clip_5` or `dr-os_100`; None for estimators we do not have."""
    if key in {"ipw", "snipw", "dm", "dr", "sndr"}:
        return key, EstimatorParameters()
    match = re.fullmatch(r"(ipw|dr)_clip_(\d+)", key)
    if match:
        return match[1], EstimatorParameters(clip=float(match[2]))
    match = re.fullmatch(r"(switch-dr|dr-os)_(\d+)", key)
    if match:
        value = float(match[2])
        parameters = EstimatorParameters(switch_tau=value, shrinkage_lambda=value)
        return NAMES[match[1]], parameters
    return None


@directions
def test_estimates_match(
    logged: str, policy: str, obd_columns: Columns, obd_log: Reduce, obd_golden: Golden
) -> None:
    log = obd_log(obd_columns(logged), logged, policy)
    golden = obd_golden(logged, policy)["estimates"]
    by_name = {estimator.name: estimator for estimator in ESTIMATORS}
    n_checked = 0
    for key, expected in golden.items():
        case = _golden_case(key)
        if case is not None:
            name, parameters = case
            estimate = by_name[name].influence(log, parameters).estimate
            assert estimate == pytest.approx(expected, rel=0, abs=1e-12), key
            n_checked += 1
    assert n_checked == 19


@directions
def test_standard_errors_match_with_ddof_one(
    logged: str, policy: str, obd_columns: Columns, obd_log: Reduce, obd_golden: Golden
) -> None:
    log = obd_log(obd_columns(logged), logged, policy)
    golden = obd_golden(logged, policy)["standard_errors_numpy"]
    values = evaluate_policy(log, ["ipw", "snipw", "dr"]).policy_value
    assert values["ipw"].se == pytest.approx(golden["ipw"], rel=0, abs=1e-12)
    assert values["snipw"].se == pytest.approx(golden["snipw_delta_method"], rel=0, abs=1e-12)
    assert values["dr"].se == pytest.approx(golden["dr"], rel=0, abs=1e-12)


@directions
def test_diagnostics_match(
    logged: str, policy: str, obd_columns: Columns, obd_log: Reduce, obd_golden: Golden
) -> None:
    log = obd_log(obd_columns(logged), logged, policy)
    golden = obd_golden(logged, policy)
    assert effective_sample_size(log.weight) == pytest.approx(golden["diagnostics"]["ess"])
    assert log.weight.max() == pytest.approx(golden["diagnostics"]["w_max"])
    assert log.reward.mean() == pytest.approx(golden["logging_policy_value"])


@directions
def test_clean_logs_are_not_red(
    logged: str, policy: str, obd_columns: Columns, obd_log: Reduce
) -> None:
    result = evaluate_policy(obd_log(obd_columns(logged), logged, policy))
    assert result.audit.status is not Status.RED
    assert result.headline is not None
    assert "dr" in result.headline


@directions
@pytest.mark.parametrize("row", [0, 1, 117, 5000, 9999])
def test_one_planted_propensity_is_red(
    logged: str, policy: str, row: int, obd_columns: Columns, obd_log: Reduce
) -> None:
    """Row 117 of the uniform log is the hardest: the policy gives its action only 0.000285."""
    columns = obd_columns(logged)
    propensity = columns.propensity.copy()
    propensity[row] = 1e-6
    planted = LogColumns(columns.action, columns.reward, propensity, columns.position)
    result = evaluate_policy(obd_log(planted, logged, policy))
    assert result.audit.status is Status.RED
    assert result.headline is None
    assert f"row {row + 1}" in result.headline_reason
