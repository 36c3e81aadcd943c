"""A log that off-policy evaluation cannot use is refused at once, and only such a log."""

from pathlib import Path

import polars as pl
import pytest

from cpz.data.dataset import Dataset, build
from cpz.data.errors import MissingPropensityError, NotFoundError
from cpz.data.manifest import Recipe
from cpz.data.workspace import Workspace
from cpz.evaluation.model_study import require_evaluable


def log(root: Path, *propensity: float | None) -> Dataset:
    """Return three decisions, at payment, payment and offer, with propensities if any."""
    n = 3
    frame = pl.DataFrame(
        {
            "decision_id": range(n),
            "session_id": range(n),
            "shopper_id": range(n),
            "placement": ["payment", "payment", "offer"],
            "action": ["a"] * n,
            "reward": [1.0, 0.0, 1.0],
        }
    )
    if propensity:
        frame = frame.with_columns(propensity=pl.Series(propensity, dtype=pl.Float64))
    placements: dict[str, tuple[str, ...]] = {"payment": ("a", "b"), "offer": ("a", "b")}
    recipe = Recipe(kind="imported", placements=placements)
    return build(Workspace(root), "log", recipe, [lambda: {"decisions": frame.to_arrow()}])


def test_a_log_with_all_propensities_is_evaluable(tmp_path: Path) -> None:
    dataset = log(tmp_path, 0.5, 0.5, 0.5)
    require_evaluable(dataset, None)
    require_evaluable(dataset, "payment")


def test_only_the_asked_placement_must_have_them(tmp_path: Path) -> None:
    dataset = log(tmp_path, 0.5, 0.5, None)
    require_evaluable(dataset, "payment")
    with pytest.raises(MissingPropensityError, match="1 of 1 decisions"):
        require_evaluable(dataset, "offer")
    with pytest.raises(MissingPropensityError, match="1 of 3 decisions"):
        require_evaluable(dataset, None)


def test_a_log_without_the_column_lacks_all(tmp_path: Path) -> None:
    with pytest.raises(MissingPropensityError, match="2 of 2 decisions"):
        require_evaluable(log(tmp_path), "payment")


def test_an_unknown_placement_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        require_evaluable(log(tmp_path, 0.5, 0.5, 0.5), "nowhere")
