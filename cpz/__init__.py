"""cpz: simulation and offline evaluation of checkout personalization.

For notebooks and scripts; each name is loaded when it is first used:

    import cpz

    log = cpz.simulate(sessions=20_000)
    print(cpz.evaluate(log, policy=cpz.train(log)))
"""

from typing import TYPE_CHECKING

from cpz.data.version import __version__

__all__ = [
    "CanaryJudgment",
    "CpzError",
    "Dataset",
    "EstimatorParameters",
    "Evaluation",
    "ExperimentAnalysis",
    "ExperimentPlan",
    "Model",
    "ModelPolicy",
    "OffPolicyConfig",
    "__version__",
    "ab",
    "canary",
    "evaluate",
    "load",
    "read_log",
    "simulate",
    "train",
]

if TYPE_CHECKING:
    from cpz.api import ab, canary
    from cpz.api.ab import ExperimentAnalysis, ExperimentPlan
    from cpz.api.canary import CanaryJudgment
    from cpz.api.datasets import load, read_log, simulate
    from cpz.api.evaluate import Evaluation, evaluate
    from cpz.api.train import Model, ModelPolicy, train
    from cpz.data.dataset import Dataset
    from cpz.data.errors import CpzError
    from cpz.evaluation.log_study import OffPolicyConfig
    from cpz.evaluation.ope.parameters import EstimatorParameters
else:
    # PEP 562; hidden from type checkers, which would take every name for known
    _MODULES = {
        "CanaryJudgment": "cpz.api.canary",
        "CpzError": "cpz.data.errors",
        "Dataset": "cpz.data.dataset",
        "EstimatorParameters": "cpz.evaluation.ope.parameters",
        "Evaluation": "cpz.api.evaluate",
        "ExperimentAnalysis": "cpz.api.ab",
        "ExperimentPlan": "cpz.api.ab",
        "Model": "cpz.api.train",
        "ModelPolicy": "cpz.api.train",
        "OffPolicyConfig": "cpz.evaluation.log_study",
        "evaluate": "cpz.api.evaluate",
        "load": "cpz.api.datasets",
        "read_log": "cpz.api.datasets",
        "simulate": "cpz.api.datasets",
        "train": "cpz.api.train",
    }

    def __getattr__(name):
        """Load a name of the public face at its first use."""
        from importlib import import_module

        if name in ("ab", "canary"):
            return import_module(f"cpz.api.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'cpz' has no attribute {name!r}")
        found = getattr(import_module(_MODULES[name]), name)
        globals()[name] = found
        return found

    def __dir__():
        """List the public names, loaded or not."""
        return sorted(__all__)
