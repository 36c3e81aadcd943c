"""A model version made ready to serve, and which one answers whom."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cpz.data import keyed
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.features.declarations import Feature, Source
from cpz.features.online import FactPlan
from cpz.features.shopper_state import EventPlan
from cpz.models.registry import CHAMPION, load_model, model_names, resolve_version
from cpz.models.trained import TrainedModel
from cpz.serving.scoring.context_rules import ContextRules
from cpz.serving.scoring.placement import ServedPlacement

Variant = Literal["champion", "canary"]

_CANARY = "serving_canary"


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """One loaded and verified version.

    Attributes:
        name: the model's name.
        version: its version.
        variant: which side of the canary it is.
        policy: the policy's name.
        features: the declarations it reads.
        placements: its placements, ready to rank.
        rules: the context its requests may carry.
        facts: its features that need no events.
        event_names: the names of its event features.
        labels: what tells it apart in the metrics.
    """

    name: str
    version: str
    variant: Variant
    policy: str
    features: tuple[Feature, ...]
    placements: dict[str, ServedPlacement]
    rules: ContextRules
    facts: FactPlan = field(init=False)
    event_names: tuple[str, ...] = field(init=False)
    labels: tuple[str, str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", FactPlan(self.features))
        names = tuple(f.name for f in self.features if f.source is Source.EVENTS)
        object.__setattr__(self, "event_names", names)
        object.__setattr__(self, "labels", (self.name, self.version, self.variant))


@dataclass(frozen=True, slots=True)
class Reference:
    """Which model: a name, and a version or an alias of it."""

    name: str
    version: str


def find_reference(workspace: Workspace, text: str) -> Reference:
    """Read `NAME@VERSION`, the name of a model, or a version or alias of the model "default"."""
    name, separator, version = text.partition("@")
    if separator:
        return Reference(name, version or CHAMPION)
    if text in model_names(workspace):
        return Reference(text, CHAMPION)
    return Reference("default", text)


def load_served(
    workspace: Workspace, reference: Reference, policy: str, variant: Variant = "champion"
) -> ServedModel:
    """Load a version and compare its fast scorer with LightGBM.

    Raises:
        NotFoundError: there is no such model or version.
        DataError: a file is damaged, or the scorers disagree.
        UsageError: no placement of the model has the policy.
    """
    version = resolve_version(workspace, reference.name, reference.version)
    trained = load_model(workspace, reference.name, version)
    return ready(trained, reference.name, version, policy, variant)


def ready(
    trained: TrainedModel, name: str, version: str, policy: str, variant: Variant = "champion"
) -> ServedModel:
    """Make a trained model ready to serve; raises like `load_served`."""
    chosen = {place: part for place, part in trained.placements.items() if part.policy_names}
    if not chosen:
        raise UsageError(
            f"model {name!r} {version} predicts sessions and has no placement to decide",
            hint="train on a dataset with decisions",
        )
    inputs = [part.outcome.inputs for part in chosen.values()]
    return ServedModel(
        name=name,
        version=version,
        variant=variant,
        policy=policy,
        features=trained.features,
        placements={place: ServedPlacement(part, policy) for place, part in chosen.items()},
        rules=ContextRules(trained.features, inputs),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Routing:
    """The champion, and a canary that answers a fixed share of the shoppers.

    A shopper's side is a keyed hash of its id, so it never changes, and raising the weight moves
    shoppers only towards the canary.

    Attributes:
        champion: answers everyone else.
        canary: None where there is none.
        canary_share: the share of shoppers, in [0, 1].
        seed: the seed of the hash.
    """

    champion: ServedModel
    canary: ServedModel | None = None
    canary_share: float = 0.0
    seed: int = 0

    def model_for(self, shopper_key: int) -> ServedModel:
        """Return who answers a shopper, given its key as int64."""
        if self.canary is None:
            return self.champion
        u = keyed.uniform_one(self.seed, _CANARY, shopper_key)
        return self.canary if u < self.canary_share else self.champion

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """Return the models in service."""
        return (self.champion,) if self.canary is None else (self.champion, self.canary)


def shared_plan(models: Iterable[ServedModel]) -> EventPlan:
    """Return one plan for the event features of several models, so that they share a store.

    Raises:
        UsageError: two models mean different things by one name.
    """
    features: dict[str, Feature] = {}
    for feature in (feature for model in models for feature in model.features):
        if features.setdefault(feature.name, feature) != feature:
            raise UsageError(
                f"feature {feature.name!r} is defined differently in champion and canary",
                hint="train one of them again with this version of cpz",
            )
    return EventPlan(features.values())
