"""The result of `cpz demo`."""

from dataclasses import dataclass

from cpz.report.results.ab import RehearsalResult
from cpz.report.results.canary import CanaryResult
from cpz.report.results.evaluate import EvaluateResult
from cpz.report.results.simulate import SimulateResult
from cpz.report.results.train import TrainResult
from cpz.serving.load.results import LoadResult


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The steps of the demo, and how long each took."""

    simulate: SimulateResult
    train: TrainResult
    evaluate: EvaluateResult
    ab: RehearsalResult
    canary: CanaryResult
    load: LoadResult
    seconds: dict[str, float]
