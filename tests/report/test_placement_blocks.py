"""What stands beside the estimates of a placement."""

import numpy as np

from cpz.evaluation.log_study import LogStudy
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.report.content.placement import placement_blocks
from cpz.report.format import PLAIN
from cpz.report.results.evaluate import log_result
from cpz.report.terminal.render import text_of


def test_an_interval_that_leaves_something_out_says_so_beside_it() -> None:
    n = 200
    log = LoggedDecisions(
        reward=(np.arange(n) % 2).astype(np.float64),
        propensity=np.full(n, 0.5),
        policy_taken=np.where(np.arange(n) % 3, 0.6, 0.4),
        q_taken=np.full(n, 0.5),
        q_policy=np.linspace(0.4, 0.6, n),
    )
    said = {}
    for estimator in ("dm", "dr"):
        found = LogStudy(evaluate_policy(log, [estimator]), "given")
        result = log_result("payment", "mine", found).placements["payment"]
        said[estimator] = text_of(placement_blocks(result, PLAIN))
    assert "dm: its intervals leave out the outcome model's own error" in said["dm"]
    assert "leave out" not in said["dr"]
