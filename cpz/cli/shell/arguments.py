"""The values of commands as one value each, apart from the code that parses or runs them."""

from dataclasses import dataclass
from pathlib import Path

from cpz.ingest.canaries.counts import CountedUnit


@dataclass(frozen=True, slots=True)
class SimulateArguments:
    """What `cpz simulate` was asked."""

    scenario: str
    overrides: tuple[str, ...]
    sessions: int
    seed: int
    dataset: str
    jobs: int
    policies: tuple[str, ...] = ()
    long_run: bool = True


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
    labels: str = "auto"


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


@dataclass(frozen=True, slots=True)
class AnalyzeArguments:
    """The values of `cpz ab analyze`, as one."""

    split: str
    test: str
    alpha: float
    sequential: bool
    tuned_at: int


@dataclass(frozen=True, slots=True)
class PlanArguments:
    """The values of `cpz ab plan`, as one."""

    kind: str
    baseline: float | None
    sd: float | None
    effect: float | None
    split: str
    alpha: float
    power: float
    units_per_day: float | None
    days: int | None


@dataclass(frozen=True, slots=True)
class ExperimentArguments:
    """The values of `cpz ab simulate`, as one."""

    control: str
    treatment: str
    placement: str
    split: str
    scenario: str
    overrides: tuple[str, ...]
    sessions: int
    seed: int
    jobs: int
    alpha: float


@dataclass(frozen=True, slots=True)
class CanaryArguments:
    """The values of `cpz canary simulate`, as one."""

    baseline: str
    canary: str
    placement: str
    ramp: str
    hours_per_step: int
    inject: str | None
    allow: str | None
    scenario: str
    overrides: tuple[str, ...]
    sessions: int
    seed: int


@dataclass(frozen=True, slots=True)
class CountsArguments:
    """The values of `cpz canary analyze`, as one."""

    file: str
    hours: int | None
    allow: str | None
    currency: str
    unit: CountedUnit


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """The command's values, as one."""

    model: str
    policy: str
    canary: str | None
    canary_weight: float
    host: str
    port: int
    store: str
    store_timeout_ms: float
    api_key_file: Path | None
    trusted_proxy: str
    rate_limit: float
    max_body_kb: int
    deadline_ms: int
    max_in_flight: int
    cache: int
    drain_s: float
    log: str
    seed: int
