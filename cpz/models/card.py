"""The model card: what a version is, made from what, and how it behaved on held-out rows."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from cpz.models.split import Split
from cpz.models.trained import PlacementModel, PlacementSummary, TrainedModel, TrainingConfig

_PACKAGES = ("cpz", "lightgbm", "numpy", "polars")


@dataclass(frozen=True, slots=True)
class PlacementCard:
    """One placement's part of the card."""

    options: tuple[str, ...]
    objective: str
    n_trees: int
    inputs: tuple[str, ...]
    policies: tuple[str, ...]
    summary: PlacementSummary


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model version's card.

    Attributes:
        model: the model's name.
        version: "v1", "v2", ...
        content_digest: a hash over the version's other files, equal for equal models.
        dataset: name of the training dataset.
        dataset_digest: digest of its recipe.
        config: what was asked for.
        split: which sessions were held out.
        placements: one card per placement.
        git_revision: the commit of the folder the training ran in, "" outside a repository.
        versions: of the packages and of Python.
    """

    model: str
    version: str
    content_digest: str
    dataset: str
    dataset_digest: str
    config: TrainingConfig
    split: Split
    placements: dict[str, PlacementCard]
    git_revision: str
    versions: dict[str, str]


def make_card(trained: TrainedModel, model: str, version_id: str, digest: str) -> ModelCard:
    """Describe a trained model."""
    return ModelCard(
        model=model,
        version=version_id,
        content_digest=digest,
        dataset=trained.dataset,
        dataset_digest=trained.dataset_digest,
        config=trained.config,
        split=trained.split,
        placements={name: _placement(part) for name, part in trained.placements.items()},
        git_revision=git_revision(),
        versions=package_versions(),
    )


def _placement(part: PlacementModel) -> PlacementCard:
    return PlacementCard(
        options=part.outcome.inputs.options,
        objective=part.outcome.inputs.objective,
        n_trees=part.outcome.n_trees,
        inputs=part.outcome.inputs.columns,
        policies=part.policy_names,
        summary=part.summary,
    )


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages a model depends on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_revision() -> str:
    """Return the current folder's commit, or "" where git or a repository is missing."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def card_markdown(card: ModelCard) -> str:
    """Render the card for people."""
    held_out = (
        f"sessions from {card.split.cut_us} us since the epoch on"
        if card.split.cut_us is not None
        else f"{card.split.test_share:.0%} of the shoppers, by keyed hash"
    )
    lines = [
        f"# {card.model} {card.version}",
        "",
        f"Trained on dataset `{card.dataset}` (digest {card.dataset_digest}).",
        f"Held out: {held_out}.",
        "",
        f"Content digest {card.content_digest}; git revision {card.git_revision or 'unknown'}.",
        "",
    ]
    for name, part in card.placements.items():
        lines += _placement_lines(name or "sessions", part)
    return "\n".join([*lines, "## Versions", "", _listed(card.versions), ""])


def _placement_lines(name: str, part: PlacementCard) -> list[str]:
    summary, check = part.summary, part.summary.calibration
    lines = [
        f"## {name}",
        "",
        f"Options: {', '.join(part.options)}. Policies: {', '.join(part.policies) or 'none'}.",
        "",
        f"LightGBM, {part.objective}, {part.n_trees} trees over {', '.join(part.inputs)}.",
        "",
        _fitted_to(summary),
        "",
        "| rows | number | mean reward |",
        "|---|---:|---:|",
        f"| training | {summary.n_train} | {summary.train_mean_reward:.4f} |",
        f"| held out | {summary.n_test} | {summary.test_mean_reward:.4f} |",
        "",
        f"Calibration on held-out rows: slope {_number(check.slope)} (ideal 1), intercept "
        f"{_number(check.intercept)} (ideal 0).",
        "",
        "| tenth by prediction | rows | predicted | observed |",
        "|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {place} | {cell.n} | {cell.mean_predicted:.4f} | {cell.mean_observed:.4f} |"
        for place, cell in enumerate(check.bins, start=1)
    ]
    lines += ["", "| input | share of gain |", "|---|---:|"]
    lines += [f"| {column} | {share:.1%} |" for column, share in summary.gain_share]
    return [*lines, ""]


def _fitted_to(summary: PlacementSummary) -> str:
    if summary.labels == "reward":
        return f"Fitted to the rewards: {summary.why_not_funnel}."
    if summary.labels == "upstream":
        return f"Fitted to labels freed of the noise of earlier steps: {summary.why_not_funnel}."
    return "Fitted to labels freed of the noise of other steps of the funnel."


def _number(value: float | None) -> str:
    return "not estimable" if value is None else f"{value:.3f}"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
