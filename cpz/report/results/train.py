"""The result of `cpz train`."""

from dataclasses import dataclass

from cpz.models.split import Split
from cpz.models.trained import PlacementSummary


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
