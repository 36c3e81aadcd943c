"""What a mutation run found: shares with their intervals, and every survivor with a reason."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest

if TYPE_CHECKING:
    from tools.mutation.sites import Mutant


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of the run.

    Attributes:
        tests: the fast tests that may kill its mutants.
        only: its files to mutate, all when empty.
        without: files left out.
        aim: the share of killed mutants to reach.
    """

    tests: tuple[str, ...]
    aim: float
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The run: how many mutants a folder, drawn with which seed."""

    seed: int
    sample: int
    folders: dict[str, Folder]

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read the config file."""
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        folders = {
            name: Folder(
                tests=tuple(entry["tests"]),
                aim=entry["aim"],
                only=tuple(entry.get("only", ())),
                without=tuple(entry.get("without", ())),
            )
            for name, entry in found["folders"].items()
        }
        return cls(found["seed"], found["sample"], folders)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no fast test of its folder noticed, and why that is so or may be so."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    is_run: bool
    reason: str = ""

    @classmethod
    def of(cls, mutant: "Mutant", *, is_run: bool) -> "Survivor":
        """Return the survivor that a mutant is; `is_run` says whether a test runs its line."""
        return cls(mutant.path, mutant.line, mutant.operator, mutant.before, mutant.after, is_run)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what stays when lines move."""
        return self.path, self.before, self.after


@dataclass(frozen=True, slots=True)
class FolderScore:
    """The outcome of one folder's sample.

    Attributes:
        of: mutants there are.
        n: mutants tried.
        killed: of these, endless ones (`timeouts`) included.
        share: killed / n.
        interval: its 95 % Wilson interval.
        survivors: the others.
    """

    of: int
    n: int
    killed: int
    timeouts: int
    share: float
    interval: tuple[float, float]
    survivors: tuple[Survivor, ...]

    @classmethod
    def counted(
        cls, of: int, n: int, timeouts: int, survivors: Sequence[Survivor]
    ) -> "FolderScore":
        """Return the score of n mutants."""
        killed = n - len(survivors)
        ordered = tuple(sorted(survivors, key=lambda found: (found.path, found.line, found.after)))
        low, high = wilson_interval(killed, n)
        return cls(
            of, n, killed, timeouts, round(killed / n, 4), (round(low, 4), round(high, 4)), ordered
        )

    def with_reasons_of(self, last: "FolderScore | None") -> "FolderScore":
        """Take over the reasons of survivors that were known already."""
        known = {found.key: found.reason for found in last.survivors} if last else {}
        return replace(
            self,
            survivors=tuple(
                replace(found, reason=known.get(found.key, "")) for found in self.survivors
            ),
        )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927).

    >>> tuple(round(end, 4) for end in wilson_interval(255, 300))
    (0.8053, 0.8859)
    """
    # of SciPy and not of cpz: the process that is forked may not have imported cpz
    low, high = binomtest(successes, n).proportion_ci(method="wilson")
    return float(low), float(high)


def read_scores(path: Path) -> dict[str, FolderScore]:
    """Read the score file; an absent one is empty."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: FolderScore(
            **{
                **entry,
                "interval": tuple(entry["interval"]),
                "survivors": tuple(Survivor(**one) for one in entry["survivors"]),
            }
        )
        for name, entry in found.items()
    }


def write_scores(path: Path, scores: dict[str, FolderScore]) -> None:
    """Write the score file."""
    found = {name: asdict(score) for name, score in sorted(scores.items())}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
