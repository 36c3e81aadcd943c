"""The values of the commands that are also steps of others, such as the demo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulateArguments:
    """What `cpz simulate` was asked."""

    scenario: str
    overrides: tuple[str, ...]
    sessions: int
    seed: int
    dataset: str
    jobs: int


@dataclass(frozen=True, slots=True)
class TrainArguments:
    """What `cpz train` was asked."""

    dataset: str = "default"
    model: str = "default"
    placements: tuple[str, ...] | None = None
    test_share: float = 0.25
    epsilon: float = 0.1
    trees: int = 400
    seed: int = 0


@dataclass(frozen=True, slots=True)
class EvaluateArguments:
    """What `cpz evaluate` was asked."""

    dataset: str = "default"
    model: str = "default"
    model_version: str = "champion"
    placement: str | None = None
    policy: str = "greedy"
    estimators: str = ""
    clip: float | None = None
    switch_tau: float | None = None
    shrinkage_lambda: float | None = None
    folds: int = 3
    seed: int = 0
    with_truth: bool = False
