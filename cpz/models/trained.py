"""What training makes: per placement a fitted model and its policies; and the split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cpz.data.errors import NotFoundError, UsageError, nearest
from cpz.data.policy import Policy, PopularityPolicy
from cpz.features.declarations import Feature
from cpz.models.calibration import Calibration
from cpz.models.fitting import TreeConfig
from cpz.models.labels import LabelKind
from cpz.models.offered_policies import POLICIES, OfferedPolicy, PolicyParts
from cpz.models.outcome import OutcomeModel
from cpz.models.split import Split


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What to train and how.

    Attributes:
        placements: which ones; None means every placement that has decisions.
        test_share: the share of sessions held out, the latest ones where times are known.
        epsilon: exploration of the epsilon-greedy policy, in [0, 1].
        seed: the seed of every random choice.
        n_trees: the most trees of a model; fewer when the validation loss stops falling.
        learning_rate: the shrinkage of each tree.
        n_leaves: leaves per tree.
        labels: "auto" for labels of the funnel where the log allows, "rewards" for never.
    """

    placements: tuple[str, ...] | None = None
    test_share: float = 0.25
    epsilon: float = 0.1
    seed: int = 0
    n_trees: int = 400
    learning_rate: float = 0.05
    n_leaves: int = 15
    labels: str = "auto"

    @property
    def trees(self) -> TreeConfig:
        """Return the settings of the trees."""
        return TreeConfig(
            n_trees=self.n_trees,
            learning_rate=self.learning_rate,
            n_leaves=self.n_leaves,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class PlacementSummary:
    """What a card says of one placement's training.

    Attributes:
        n_train: decisions the model was fitted on.
        n_test: decisions held out.
        train_mean_reward: mean reward of the former.
        test_mean_reward: mean reward of the latter.
        calibration: predictions for the shown option against outcomes, held out.
        gain_share: per input its share of the total split gain, largest first, at most ten.
        labels: what the model was fitted to: the rewards, or labels freed of the noise of other
            steps of the funnel, or only of those before (`cpz.models.labels`).
        why_not_funnel: why it was not the second, "" where it was.
    """

    n_train: int
    n_test: int
    train_mean_reward: float
    test_mean_reward: float
    calibration: Calibration
    gain_share: tuple[tuple[str, float], ...]
    labels: LabelKind = "reward"
    why_not_funnel: str = ""


@dataclass(frozen=True, slots=True)
class PlacementModel:
    """One placement's outcome model and the policies over it."""

    outcome: OutcomeModel
    popularity: PopularityPolicy | None
    epsilon: float
    summary: PlacementSummary

    @property
    def placement(self) -> str:
        """Return the placement's name."""
        return self.outcome.inputs.placement

    @property
    def policy_names(self) -> tuple[str, ...]:
        """Return the policies this placement offers; none for a model of sessions."""
        return tuple(offered.name for offered in self._offered())

    def policy(self, name: str = "greedy") -> Policy:
        """Return a policy by name.

        Raises:
            UsageError: there is no such policy for this placement.
        """
        parts = self._parts()
        for offered in self._offered():
            if parts is not None and offered.name == name:
                return offered.make(parts)
        what = f"placement {self.placement!r}" if self.placement else "a model of sessions"
        hint = nearest(name, self.policy_names) if self.policy_names else "log some decisions"
        raise UsageError(f"policy {name!r} does not exist for {what}", hint=hint)

    def is_exploring(self, name: str) -> bool:
        """Return whether a policy of this placement leaves any visit a choice at random."""
        return any(offered.is_exploring for offered in self._offered() if offered.name == name)

    def _parts(self) -> PolicyParts | None:
        if self.popularity is None:
            return None
        return PolicyParts(self.outcome, self.popularity, self.epsilon)

    def _offered(self) -> tuple[OfferedPolicy, ...]:
        parts = self._parts()
        return () if parts is None else tuple(p for p in POLICIES if p.fits(parts))


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Everything `cpz evaluate` needs to judge what was trained.

    Attributes:
        dataset: name of the training dataset.
        dataset_digest: its recipe's digest.
        config: what was asked for.
        split: which sessions were held out.
        features: the declarations that were computed.
        placements: one model per placement; the only key is "" for a model of sessions.
    """

    dataset: str
    dataset_digest: str
    config: TrainingConfig
    split: Split
    features: tuple[Feature, ...]
    placements: Mapping[str, PlacementModel]

    def placement(self, name: str) -> PlacementModel:
        """Return one placement's model, or raise `NotFoundError`."""
        if name not in self.placements:
            raise NotFoundError(
                f"the model has no placement {name!r}", hint=nearest(name, self.placements)
            )
        return self.placements[name]

    def cross_fit_trees(self, placement: str) -> TreeConfig:
        """Return the settings for cross-fitting a placement: as many trees as were kept."""
        return replace(self.config.trees, n_trees=self.placement(placement).outcome.n_trees)
