"""The result of `cpz train`."""

from dataclasses import dataclass

from cpz.models.split import Split
from cpz.models.trained import PlacementSummary, TrainedModel


@dataclass(frozen=True, slots=True)
class TrainedPlacement:
    """One placement of a trained model."""

    options: tuple[str, ...]
    n_trees: int
    inputs: tuple[str, ...]
    policies: tuple[str, ...]
    summary: PlacementSummary


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A saved model version."""

    model: str
    version: str
    dataset: str
    split: Split
    placements: dict[str, TrainedPlacement]

    @classmethod
    def of(cls, model: str, version: str, trained: TrainedModel) -> "TrainResult":
        """Return what a training made, under the name and version it was saved as."""
        return cls(
            model=model,
            version=version,
            dataset=trained.dataset,
            split=trained.split,
            placements={
                name: TrainedPlacement(
                    options=part.outcome.inputs.options,
                    n_trees=part.outcome.n_trees,
                    inputs=part.outcome.inputs.columns,
                    policies=part.policy_names,
                    summary=part.summary,
                )
                for name, part in trained.placements.items()
            },
        )
