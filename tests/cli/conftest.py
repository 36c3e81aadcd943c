"""A way to run the command line in process and look at all it gave."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cpz.cli.app import run


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def result(self) -> Any:
        return self.json["result"]

    @property
    def error(self) -> Any:
        return self.json["error"]


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run `cpz WORDS...`; Path arguments are allowed."""
    monkeypatch.setenv("COLUMNS", "140")

    def invoke(*words: str | Path | int | float) -> Ran:
        capsys.readouterr()
        arguments = [str(word) for word in words]
        monkeypatch.setattr("sys.argv", ["cpz", *arguments])
        code = run(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return invoke
