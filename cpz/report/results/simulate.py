"""The result of `cpz simulate`."""

from dataclasses import dataclass

from cpz.simulator.long_run import LongRunEffect
from cpz.simulator.summary.dataset import Summary
from cpz.simulator.verify import Verification


@dataclass(frozen=True, slots=True)
class SimulateResult:
    """A simulated dataset: its sizes, content digest and what its checkout looks like.

    `long_run` stands where `--policy` decided: what the policy is worth because it always did.
    """

    dataset: str
    scenario: str
    sessions: int
    rows: dict[str, int]
    digest: str
    summary: Summary | None
    verification: Verification | None = None
    long_run: LongRunEffect | None = None
