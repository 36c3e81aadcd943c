"""Policies by name on the command line: rules that need no model, and policies of trained ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cpz.data.errors import UsageError, nearest
from cpz.data.policy import Policy
from cpz.data.tables import PLACEMENTS
from cpz.data.workspace import Workspace
from cpz.models.closed_loop import closed_loop
from cpz.models.registry import CHAMPION, load_model
from cpz.models.trained import TrainedModel

RULES = ("uniform", "popularity", "epsilon", "logging")
DEFAULT_EPSILON = 0.1


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant of a simulated experiment.

    Attributes:
        placement: what is decided.
        overrides: scenario constants that make its logging policy this rule.
        model: a trained model, or None for a rule.
        policy: the model's policy.
    """

    placement: str
    overrides: tuple[str, ...] = ()
    model: TrainedModel | None = None
    policy: str = ""

    @property
    def is_trained(self) -> bool:
        """Return whether a model decides."""
        return self.model is not None

    def policies(self, shoppers: pl.DataFrame) -> Mapping[str, Policy] | None:
        """Return what replaces the scenario's policy; None for a rule."""
        if self.model is None:
            return None
        return {self.placement: closed_loop(self.model, self.placement, self.policy, shoppers)}


def arm_of(text: str, placement: str, workspace: Workspace) -> Arm:
    """Read `uniform`, `popularity`, `epsilon[:E]`, `logging`, or `MODEL[@VERSION]:POLICY`.

    Raises:
        UsageError: neither a rule nor of that form; an unknown placement or policy.
        NotFoundError: no such model or version, or it does not decide the placement.
    """
    if placement not in PLACEMENTS:
        raise UsageError(
            f"--placement {placement!r} is unknown", hint=nearest(placement, PLACEMENTS)
        )
    name, _, rest = text.partition(":")
    if name == "epsilon" or (text in RULES and text != "logging"):
        epsilon = _epsilon(text, rest) if name == "epsilon" else 0.0
        rule = "uniform" if name == "uniform" else "epsilon"
        at = f"logging.{placement}"
        return Arm(placement, (f"{at}.policy='{rule}'", f"{at}.epsilon={epsilon}"))
    if text == "logging":
        return Arm(placement)
    if not rest:
        raise UsageError(
            f"policy {text!r}: expected {', '.join(RULES)} or MODEL[@VERSION]:POLICY",
            hint=nearest(text, (*RULES, "default:greedy")),
        )
    model_name, _, version = name.partition("@")
    model = load_model(workspace, model_name, version or CHAMPION)
    model.placement(placement).policy(rest)
    return Arm(placement, (), model, rest)


def _epsilon(text: str, rest: str) -> float:
    try:
        epsilon = float(rest) if rest else DEFAULT_EPSILON
    except ValueError:
        epsilon = -1.0
    if not 0 <= epsilon <= 1:
        raise UsageError(
            f"policy {text!r}: expected epsilon:E with E from 0 to 1",
            hint="for example epsilon:0.1",
        )
    return epsilon
