"""The workspace: a folder that holds datasets, features, models and runs by default names."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cpz.data.errors import UsageError, WorkspaceError

DEFAULT_WORKSPACE = Path("cpz-workspace")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


def default_root() -> Path:
    """Return the workspace that CPZ_WORKSPACE names, else `cpz-workspace` in the current folder."""
    return Path(os.environ.get("CPZ_WORKSPACE") or DEFAULT_WORKSPACE)


def check_name(name: str, what: str) -> str:
    """Return the name if it is usable as a folder name, or raise `UsageError`."""
    if not _NAME.match(name):
        raise UsageError(
            f"{what} name {name!r}: expected letters, digits, '.', '_' or '-', at most 100",
            hint=f"choose another {what} name",
        )
    return name


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one workspace. Nothing is created before `ensure`."""

    root: Path

    def dataset(self, name: str) -> Path:
        """Return the folder of a dataset."""
        return self.root / "datasets" / check_name(name, "dataset")

    def model(self, name: str) -> Path:
        """Return the folder of a model, which holds its versions."""
        return self.root / "models" / check_name(name, "model")

    def run(self, run_id: str) -> Path:
        """Return the folder of one run's outputs."""
        return self.root / "runs" / check_name(run_id, "run")

    def ensure(self, path: Path) -> Path:
        """Create a folder of this workspace, or raise `WorkspaceError` where it cannot be."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"workspace {self.root}: cannot create {path.name} ({error.strerror})",
                hint="point --workspace or CPZ_WORKSPACE at a folder you can write to",
                path=str(path),
            ) from error
        if not os.access(path, os.W_OK):
            raise WorkspaceError(
                f"workspace {self.root}: {path} is not writable",
                hint="point --workspace or CPZ_WORKSPACE at a folder you can write to",
                path=str(path),
            )
        return path

    def datasets(self) -> list[str]:
        """Return the names of the readable datasets, sorted."""
        return sorted(path.parent.name for path in self.root.glob("datasets/*/manifest.json"))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to disk, then rename it into place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path}: cannot be written ({error.strerror})",
            hint="free some disk space or choose another --workspace; nothing was replaced",
            path=str(path),
        ) from error
