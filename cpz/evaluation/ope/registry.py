"""All estimators, in one tuple. To add one: a file with its formula, and a line here."""

from cpz.data.errors import UsageError, nearest
from cpz.evaluation.ope.direct_method import DM
from cpz.evaluation.ope.doubly_robust import DR
from cpz.evaluation.ope.estimator import Estimator
from cpz.evaluation.ope.ipw import IPW
from cpz.evaluation.ope.self_normalised_dr import SNDR
from cpz.evaluation.ope.shrinkage_dr import ShrinkageDR
from cpz.evaluation.ope.snipw import SNIPW
from cpz.evaluation.ope.switch_dr import SwitchDR

ESTIMATORS: tuple[Estimator, ...] = (
    IPW(),
    SNIPW(),
    DM(),
    DR(),
    SNDR(),
    SwitchDR(),
    ShrinkageDR(),
)

#: What an evaluation uses unless told otherwise.
DEFAULT_ESTIMATORS = ("ipw", "snipw", "dm", "dr")


def find_estimator(name: str) -> Estimator:
    """Return the estimator of that name, or raise `UsageError` that suggests the nearest.

    >>> find_estimator("dr").needs_q_hat
    True
    """
    for estimator in ESTIMATORS:
        if estimator.name == name:
            return estimator
    known = [estimator.name for estimator in ESTIMATORS]
    raise UsageError(f"unknown estimator {name!r}", hint=nearest(name, known))
