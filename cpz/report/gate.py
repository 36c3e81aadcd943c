"""A check with a limit: what makes a command say no."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Gate:
    """A check with a limit. A failed gate makes the exit code 1 and changes nothing else."""

    id: str
    status: Literal["pass", "fail", "no data"]
    value: float | str | None
    limit: float | str | None
