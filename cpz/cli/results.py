"""The type of each command's result: what stands under `result` in its JSON document.

Imports heavy modules, so no command imports this: schemas and tests do.
"""

from cpz.bench.results import BenchResult
from cpz.cli.machine.environment import Examination
from cpz.cli.machine.version import VersionResult
from cpz.data.check import CheckReport
from cpz.evaluation.ab.plan import PlanResult
from cpz.evaluation.ab.results import ExperimentResult
from cpz.report.results.ab import RehearsalResult
from cpz.report.results.canary import CanaryAnalysis, CanaryResult, JudgeResult, ReplayResult
from cpz.report.results.data import ImportResult
from cpz.report.results.demo import DemoResult
from cpz.report.results.evaluate import EvaluateResult
from cpz.report.results.scenario import (
    ScenarioCheckResult,
    ScenarioDiffResult,
    ScenarioListResult,
    ScenarioShowResult,
)
from cpz.report.results.simulate import SimulateResult
from cpz.report.results.train import TrainResult
from cpz.serving.load.results import LoadResult
from cpz.serving.outcomes import ServeResult

RESULTS: dict[str, type] = {
    "simulate": SimulateResult,
    "scenario list": ScenarioListResult,
    "scenario show": ScenarioShowResult,
    "scenario check": ScenarioCheckResult,
    "scenario diff": ScenarioDiffResult,
    "data import": ImportResult,
    "data check": CheckReport,
    "train": TrainResult,
    "evaluate": EvaluateResult,
    "demo": DemoResult,
    "ab plan": PlanResult,
    "ab simulate": RehearsalResult,
    "ab analyze": ExperimentResult,
    "canary analyze": CanaryAnalysis,
    "canary simulate": CanaryResult,
    "canary judge": JudgeResult,
    "canary replay": ReplayResult,
    "serve": ServeResult,
    "load": LoadResult,
    "bench": BenchResult,
    "doctor": Examination,
    "version": VersionResult,
}
