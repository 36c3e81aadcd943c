"""A command worth running now, as words: quoted, and in the workspace of the one before it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from cpz.data.workspace import default_root


@dataclass(frozen=True, slots=True)
class NextCommand:
    """What stands under `next`: a command that runs as it is printed.

    Attributes:
        words: the command's words without `cpz`.
        workspace: where the command before it worked; None for a command that needs none.
    """

    words: tuple[str, ...]
    workspace: Path | None = None

    def __str__(self) -> str:
        """Return the line that a shell reads.

        >>> str(NextCommand(("train", "--dataset", "mine"), Path("my shop")))
        "cpz train --dataset mine --workspace 'my shop'"
        """
        where = self.workspace
        named = () if where is None or where == default_root() else ("--workspace", str(where))
        return shlex.join(["cpz", *self.words, *named])


def then(workspace: Path | None, *words: str | Path) -> NextCommand:
    """Return a command of these words in a workspace.

    >>> str(then(None, "canary", "replay", Path("my runs/ledger.jsonl")))
    "cpz canary replay 'my runs/ledger.jsonl'"
    """
    return NextCommand(tuple(str(word) for word in words), workspace)
