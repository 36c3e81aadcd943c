"""A trained model as text files, and back. No pickles: a model file can be read and compared."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from cpz.data.errors import DataError
from cpz.data.manifest import encode
from cpz.data.policy import PopularityPolicy
from cpz.features.declarations import FEATURES, Feature
from cpz.models.outcome import ModelInputs, OutcomeModel
from cpz.models.split import Split
from cpz.models.trained import PlacementModel, PlacementSummary, TrainedModel, TrainingConfig

T = TypeVar("T")

_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What model.json says of the whole."""

    dataset: str
    dataset_digest: str
    config: TrainingConfig
    placements: dict[str, str]


class _Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What policy.json says of one placement."""

    epsilon: float
    popularity: PopularityPolicy | None


def to_files(trained: TrainedModel) -> dict[str, bytes]:
    """Return the content of every file by its relative path."""
    folders = {
        name: name if _PLAIN.match(name) else f"placement.{place}"
        for place, name in enumerate(trained.placements)
    }
    origin = _Origin(trained.dataset, trained.dataset_digest, trained.config, folders)
    files = {
        "model.json": encode(origin),
        "split.json": encode(trained.split),
        "features.json": encode(trained.features),
    }
    for name, part in trained.placements.items():
        folder = folders[name]
        files[f"{folder}/model.txt"] = part.outcome.booster.model_to_string().encode()
        files[f"{folder}/encoder.json"] = encode(part.outcome.inputs)
        files[f"{folder}/policy.json"] = encode(_Policies(part.epsilon, part.popularity))
        files[f"{folder}/summary.json"] = encode(part.summary)
    return files


def from_files(files: Mapping[str, bytes]) -> TrainedModel:
    """Rebuild a trained model.

    Raises:
        DataError: a file is missing or malformed, or a feature has another definition by now.
    """
    origin = _decode(files, "model.json", _Origin)
    features = _decode(files, "features.json", tuple[Feature, ...])
    _check_definitions(features)
    return TrainedModel(
        dataset=origin.dataset,
        dataset_digest=origin.dataset_digest,
        config=origin.config,
        split=_decode(files, "split.json", Split),
        features=features,
        placements={name: _placement(files, folder) for name, folder in origin.placements.items()},
    )


def _placement(files: Mapping[str, bytes], folder: str) -> PlacementModel:
    import lightgbm as lgb

    inputs = _decode(files, f"{folder}/encoder.json", ModelInputs)
    policies = _decode(files, f"{folder}/policy.json", _Policies)
    try:
        booster = lgb.Booster(model_str=_file(files, f"{folder}/model.txt").decode())
    except (lgb.basic.LightGBMError, UnicodeDecodeError) as error:
        raise _malformed(f"{folder}/model.txt", error) from error
    return PlacementModel(
        outcome=OutcomeModel(inputs, booster),
        popularity=policies.popularity,
        epsilon=policies.epsilon,
        summary=_decode(files, f"{folder}/summary.json", PlacementSummary),
    )


def _decode(files: Mapping[str, bytes], path: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_file(files, path), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(path, error) from error


def _file(files: Mapping[str, bytes], path: str) -> bytes:
    if path not in files:
        raise DataError(f"{path} is missing from the model", hint="train again", path=path)
    return files[path]


def _malformed(path: str, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({error})", hint="train again", path=path)


def _check_definitions(features: tuple[Feature, ...]) -> None:
    """Refuse a model whose features mean something else in this version of cpz."""
    current = {feature.name: feature for feature in FEATURES}
    for feature in features:
        if current.get(feature.name, feature) != feature:
            raise DataError(
                f"feature {feature.name!r} is defined otherwise than when the model was trained",
                hint="train again with this version of cpz",
            )
