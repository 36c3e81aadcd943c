"""`cpz simulate --policy PLACEMENT=POLICY`: what decides instead of the scenario's policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.policy import Policy
from cpz.data.tables import PLACEMENTS
from cpz.data.workspace import Workspace
from cpz.rehearsal.arms import Arm, arm_of
from cpz.simulator.long_run import LongRunEffect, long_run_effect, one_step_policies
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import Scenario


@dataclass(frozen=True, slots=True)
class Replaced:
    """The policies asked for, one arm a placement."""

    arms: tuple[Arm, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """Return the scenario constants that make a logging policy one of the plain rules."""
        return tuple(override for arm in self.arms for override in arm.overrides)

    @property
    def trained(self) -> tuple[str, ...]:
        """Return the placements that a model decides."""
        return tuple(arm.placement for arm in self.arms if arm.is_trained)

    @property
    def is_trained(self) -> bool:
        """Return whether a model decides any placement."""
        return bool(self.trained)

    def policies(
        self, scenario: Scenario, config: SimulationConfig, progress: Callable[[int], None]
    ) -> Mapping[str, Policy] | None:
        """Return the trained policies, closed-loop; None where only rules decide.

        Trained policies read the shoppers' profiles, which no policy changes: a plain run of the
        same seed, thrown away, provides them.
        """
        if not self.is_trained:
            return None
        with TemporaryDirectory(prefix="cpz-profiles-") as folder:
            plain = simulate(Workspace(Path(folder)), scenario, config, progress)
            shoppers = plain.frame("shoppers")
        return self._closed_loop(shoppers)

    def long_run(
        self,
        made: Dataset,
        scenarios: tuple[Scenario, Scenario],
        config: SimulationConfig,
        trained: Mapping[str, Policy],
        progress: Callable[[int], None],
    ) -> LongRunEffect:
        """Simulate once more under the scenario's own policy, and compare.

        Args:
            made: the run in which the asked policies decided.
            scenarios: with its own logging policies, and with the rules asked for.
            config: the run's.
            trained: what `policies` returned.
            progress: called with the sessions finished since its last call.
        """
        asked = one_step_policies(*scenarios, trained)
        with TemporaryDirectory(prefix="cpz-long-run-") as folder:
            once = simulate(Workspace(Path(folder)), scenarios[0], config, progress, asked)
            return long_run_effect(made, once)

    def _closed_loop(self, shoppers: pl.DataFrame) -> dict[str, Policy]:
        found: dict[str, Policy] = {}
        for arm in self.arms:
            found |= arm.policies(shoppers) or {}
        return found


def read_replaced(texts: Sequence[str], workspace: Workspace) -> Replaced:
    """Read `payment=default:greedy`, `offer=uniform`, and so on.

    Raises:
        UsageError: not of that form, or a placement named twice.
        NotFoundError: no such model.
    """
    arms: dict[str, Arm] = {}
    for text in texts:
        placement, sign, policy = text.partition("=")
        if not sign or placement in arms:
            raise UsageError(
                f"--policy {text!r}: expected PLACEMENT=POLICY, each placement once",
                hint=f"for example {PLACEMENTS[0]}=default:greedy",
            )
        arms[placement] = arm_of(policy, placement, workspace)
    return Replaced(tuple(arms.values()))
