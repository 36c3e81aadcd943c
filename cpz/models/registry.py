"""Model versions in a workspace: folders of text files with checksums, and aliases to them.

    models/NAME/v1/  model.json split.json features.json card.json card.md checksums.json
                     PLACEMENT/ model.txt encoder.json policy.json summary.json
    models/NAME/champion      one line: the version's name

A version is written to a hidden folder and renamed, so it is whole or absent; it never changes.
"""

import os
import re
import shutil
import tempfile
from hashlib import blake2b
from pathlib import Path

import msgspec

from cpz.data.errors import DataError, NotFoundError, WorkspaceError, nearest
from cpz.data.manifest import encode
from cpz.data.workspace import Workspace, check_name, write_atomically
from cpz.models.card import ModelCard, card_markdown, make_card
from cpz.models.model_files import from_files, to_files
from cpz.models.trained import TrainedModel

CHAMPION = "champion"
_VERSION = re.compile(r"^v([1-9][0-9]*)$")
_CHECKSUMS = "checksums.json"
_CARD = "card.json"


def save_model(workspace: Workspace, name: str, trained: TrainedModel) -> str:
    """Save a new version, make it the champion, and return its id ("v1", "v2", ...)."""
    folder = workspace.ensure(workspace.model(name))
    files = to_files(trained)
    digest = _digest({path: _hash(content) for path, content in files.items()})
    while True:
        number = 1 + max((number for number, _ in _versions(folder)), default=0)
        version = f"v{number}"
        card = make_card(trained, name, version, digest)
        described = files | {
            _CARD: encode(card),
            "card.md": card_markdown(card).encode(),
        }
        if _commit(folder, version, described):
            set_alias(workspace, name, CHAMPION, version)
            return version


def load_model(
    workspace: Workspace, name: str = "default", version: str = CHAMPION
) -> TrainedModel:
    """Load a version, given by id or alias, after comparing every checksum.

    Raises:
        NotFoundError: no such model, version or alias.
        DataError: a file was changed, removed or cannot be read; the message names it.
    """
    return from_files(_verified(_version_folder(workspace, name, version)))


def load_card(workspace: Workspace, name: str = "default", version: str = CHAMPION) -> ModelCard:
    """Load a version's card after comparing every checksum; raises like `load_model`."""
    files = _verified(_version_folder(workspace, name, version))
    return msgspec.json.decode(files[_CARD], type=ModelCard)


def set_alias(workspace: Workspace, name: str, alias: str, version: str) -> None:
    """Point an alias such as "champion" at an existing version, in one rename."""
    folder = workspace.model(name)
    if version not in [known for _, known in _versions(folder)]:
        raise _no_version(workspace, name, version)
    write_atomically(folder / check_name(alias, "alias"), f"{version}\n".encode())


def resolve_version(workspace: Workspace, name: str, version: str) -> str:
    """Return the version id behind an id or alias, or raise `NotFoundError`."""
    return _version_folder(workspace, name, version).name


def model_names(workspace: Workspace) -> list[str]:
    """Return the models that have a version, sorted."""
    return sorted(path.name for path in workspace.root.glob("models/*") if _versions(path))


def _commit(folder: Path, version: str, files: dict[str, bytes]) -> bool:
    """Write the files beside the versions and rename; return whether the name was still free."""
    listed = {path: _hash(content) for path, content in files.items()}
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder))
        try:
            for path, content in (files | {_CHECKSUMS: encode(listed)}).items():
                target = staging / path
                target.parent.mkdir(exist_ok=True)
                write_atomically(target, content)
            staging.chmod(0o755)
            if (folder / version).exists():
                return False
            os.rename(staging, folder / version)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        if (folder / version).exists():
            return False  # another process took the number first
        raise WorkspaceError(
            f"{folder}: the model cannot be written ({error.strerror})",
            hint="free some disk space or choose another --workspace; nothing was replaced",
            path=str(folder),
        ) from error
    return True


def _verified(folder: Path) -> dict[str, bytes]:
    try:
        listed = msgspec.json.decode((folder / _CHECKSUMS).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(folder / _CHECKSUMS, "cannot be read") from error
    files: dict[str, bytes] = {}
    for path, expected in listed.items():
        try:
            files[path] = (folder / path).read_bytes()
        except OSError as error:
            raise _damaged(folder / path, "cannot be read") from error
        if _hash(files[path]) != expected:
            raise _damaged(folder / path, "does not match its checksum")
    return files


def _damaged(path: Path, what: str) -> DataError:
    return DataError(
        f"model file {path} {what}",
        hint="restore it from a copy, or train again",
        path=str(path),
    )


def _version_folder(workspace: Workspace, name: str, version: str) -> Path:
    folder = workspace.model(name)
    if not _versions(folder):
        known = model_names(workspace)
        hint = nearest(name, known) if known else "make one with `cpz train`"
        raise NotFoundError(
            f"model {name!r} is not in {workspace.root}", hint=hint, path=str(folder)
        )
    alias = folder / check_name(version, "version")
    is_alias = alias.is_file()
    target = alias.read_text().strip() if is_alias else version
    if target not in [known for _, known in _versions(folder)]:
        raise (
            _dangling(alias, name, target) if is_alias else _no_version(workspace, name, version)
        )
    return folder / target


def _dangling(alias: Path, name: str, target: str) -> NotFoundError:
    known = ", ".join(version for _, version in _versions(alias.parent))
    return NotFoundError(
        f"model {name!r}: the alias {alias.name!r} points to version {target!r}, which is gone",
        hint=f"write one that is into {alias} ({known}), or make a new one with `cpz train`",
        path=str(alias),
    )


def _no_version(workspace: Workspace, name: str, version: str) -> NotFoundError:
    folder = workspace.model(name)
    aliases = [path.name for path in folder.glob("*") if path.is_file()]
    known = [known for _, known in _versions(folder)]
    return NotFoundError(
        f"model {name!r} has no version {version!r}",
        hint=nearest(version, known + aliases) if known else "make one with `cpz train`",
        path=str(folder),
    )


def _versions(folder: Path) -> list[tuple[int, str]]:
    """Return the committed versions, oldest first."""
    found = [(match, path) for path in folder.glob("v*") if (match := _VERSION.match(path.name))]
    return sorted((int(m.group(1)), p.name) for m, p in found if (p / _CHECKSUMS).is_file())


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _digest(hashes: dict[str, str]) -> str:
    return _hash(encode(hashes))
