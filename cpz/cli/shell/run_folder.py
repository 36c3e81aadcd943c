"""A run's outputs: `runs/ID/{config.toml, result.json, report.html}`; same run, same ID."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cpz.cli.shell.outcome import Output
from cpz.data.errors import WorkspaceError
from cpz.data.workspace import Workspace, write_atomically
from cpz.report.encoding import encode_json, to_toml


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run writes."""

    path: Path
    config: str

    def write(self, result: object, report: str) -> tuple[Output, ...]:
        """Write the three files atomically, the result last."""
        write_atomically(self.path / "config.toml", self.config.encode())
        write_atomically(self.path / "report.html", report.encode())
        write_atomically(self.path / "result.json", (encode_json(result) + "\n").encode())
        return (
            Output("report", str(self.path / "report.html")),
            Output("result", str(self.path / "result.json")),
        )


def open_out(out: Path, config: Mapping[str, object]) -> RunFolder:
    """Open the folder that a user named with --out, as `ensure_out` does."""
    return RunFolder(ensure_out(out), to_toml(config))


def ensure_out(out: Path) -> Path:
    """Create the folder that a user named with --out.

    Raises:
        WorkspaceError: it cannot be made or written to.
    """
    try:
        return Workspace(out).ensure(out)
    except WorkspaceError as error:
        why = error.message.partition(": ")[2]
        raise WorkspaceError(
            f"--out {out}: {why}", hint="name a folder that you can write to", path=str(out)
        ) from error


def open_run(
    workspace: Workspace, command: str, config: Mapping[str, object], out: Path | None = None
) -> RunFolder:
    """Open `out`, or the run's own folder, named by command and digest of its resolved config."""
    if out is not None:
        return open_out(out, config)
    text = to_toml(config)
    digest = blake2b(text.encode(), digest_size=5).hexdigest()
    return RunFolder(workspace.ensure(workspace.run(f"{command}-{digest}")), text)
