"""Results of `cpz scenario`; imports the simulator, so commands import this one late."""

from dataclasses import dataclass

from cpz.simulator.scenario.provenance import Change, Constant


@dataclass(frozen=True, slots=True)
class ScenarioEntry:
    """A shipped scenario, and how many constants and schedules of its own it has."""

    name: str
    description: str
    n_changes: int


@dataclass(frozen=True, slots=True)
class ScenarioListResult:
    """The shipped scenarios, by name."""

    scenarios: tuple[ScenarioEntry, ...]


@dataclass(frozen=True, slots=True)
class ScenarioShowResult:
    """A resolved scenario: every constant, with the source of those it shares with the baseline."""

    name: str
    description: str
    constants: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class ScenarioCheckResult:
    """A scenario that holds together.

    Attributes:
        name: its name.
        markets: markets with a share above 0.
        placements: the options of each placement.
        n_constants: all constants.
        n_changes: those that differ from the baseline, each schedule counted by itself.
        n_regimes: combinations of scheduled values that occur; 1 without schedules.
        faults: faults with a rate above 0.
    """

    name: str
    markets: tuple[str, ...]
    placements: dict[str, tuple[str, ...]]
    n_constants: int
    n_changes: int
    n_regimes: int
    faults: dict[str, float]


@dataclass(frozen=True, slots=True)
class ScenarioDiffResult:
    """The constants in which two scenarios differ."""

    left: str
    right: str
    changes: tuple[Change, ...]
