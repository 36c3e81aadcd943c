"""Learning from a dataset: outcome models, and the policies over them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from cpz.api.datasets import workspace_at
from cpz.api.result import Call, Result
from cpz.api.rewards import require_reward
from cpz.data.dataset import Dataset
from cpz.models.registry import CHAMPION, load_model, resolve_version, save_model
from cpz.models.trained import TrainedModel, TrainingConfig
from cpz.models.training import train as train_model
from cpz.report.content.training import training_blocks, training_report
from cpz.report.results.train import TrainResult
from cpz.report.values import Block, Report


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """One of a model's policies, by name, at every placement that the model knows."""

    model: TrainedModel
    name: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Model(Result[TrainResult]):
    """A trained model of every placement, and the policies over it.

    Attributes:
        trained: the fitted models, for those who need more than a policy.
    """

    trained: TrainedModel

    @property
    def placements(self) -> tuple[str, ...]:
        """Return the placements it was trained for."""
        return tuple(self.trained.placements)

    def policy(self, name: str = "greedy") -> ModelPolicy:
        """Return a policy: greedy, epsilon_greedy, popularity, last_used or uniform.

        Raises:
            UsageError: no placement has a policy of that name.
        """
        parts = tuple(self.trained.placements.values())
        if not any(name in part.policy_names for part in parts):
            parts[0].policy(name)  # says which there are
        return ModelPolicy(self.trained, name)

    def save(self, model: str = "default", *, workspace: str | Path | None = None) -> str:
        """Keep it as a new version, which becomes the champion; return the version's id.

        Commands find it by this name: `cpz serve --model NAME`, `cpz ab simulate`.
        """
        return save_model(workspace_at(workspace), model, self.trained)

    @classmethod
    def load(
        cls,
        model: str = "default",
        version: str = CHAMPION,
        *,
        workspace: str | Path | None = None,
    ) -> "Model":
        """Open a version that was saved here or by `cpz train`.

        Raises:
            NotFoundError: no such model or version.
            DataError: a file of it was changed.
        """
        place = workspace_at(workspace)
        found = resolve_version(place, model, version)
        return _model(load_model(place, model, found), model, found)

    def to_frame(self) -> pl.DataFrame:
        """Return one row a placement: sizes, mean rewards, calibration and labels."""
        return pl.DataFrame(
            [
                {
                    "placement": name,
                    "n_options": len(part.options),
                    "n_trees": part.n_trees,
                    "n_train": part.summary.n_train,
                    "n_test": part.summary.n_test,
                    "train_mean_reward": part.summary.train_mean_reward,
                    "test_mean_reward": part.summary.test_mean_reward,
                    "calibration_slope": part.summary.calibration.slope,
                    "labels": part.summary.labels,
                }
                for name, part in self.values.placements.items()
            ],
            infer_schema_length=None,
        )

    def _blocks(self) -> tuple[Block, ...]:
        return training_blocks(self.values)

    def _page(self) -> Report:
        return training_report(self.values, self.call.config_toml, self.call.command)


def train(
    dataset: Dataset,
    *,
    reward: str | None = None,
    placement: str | Sequence[str] | None = None,
    test_share: float = 0.25,
    epsilon: float = 0.1,
    trees: int = 400,
    labels: str = "auto",
    seed: int = 0,
) -> Model:
    """Train an outcome model and policies per placement, as `cpz train` does. Saves nothing.

    Args:
        dataset: simulated or imported.
        reward: what a policy earns: "conversion", the default and all that is supported.
        placement: one or several; by default all that have decisions.
        test_share: share of sessions held out, the latest ones.
        epsilon: exploration of the epsilon-greedy policy.
        trees: most trees of a model.
        labels: "auto" for labels of the funnel where the log allows, or "rewards".
        seed: of every random choice.

    Raises:
        UsageError: an unsupported reward, or a share out of range.
        NotFoundError: a placement is not in the dataset.
        NotEnoughDataError: too few rows to divide, or rewards that never vary.
    """
    require_reward(reward)
    config = TrainingConfig(
        placements=(placement,) if isinstance(placement, str) else _tuple(placement),
        test_share=test_share,
        epsilon=epsilon,
        seed=seed,
        n_trees=trees,
        labels=labels,
    )
    return _model(train_model(dataset, config), "", "")


def _tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _model(trained: TrainedModel, name: str, version: str) -> Model:
    values = TrainResult.of(name, version, trained)
    settings = {"dataset": trained.dataset, **asdict(trained.config)}
    return Model(values, Call("cpz.train", settings), (), trained)
