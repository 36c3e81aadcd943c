"""The error tree. Every error a user can cause is a `CpzError` that names its remedy.

The one handler in `cpz.cli` turns an error into one sentence (or one JSON document) and its
exit code. Programming mistakes stay `TypeError` and `ValueError`; they end as exit code 70.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CpzError(Exception):
    """Base of all errors that a user can cause and mend.

    Attributes:
        message: what, where, expected and got, in one sentence.
        hint: the next step, or "" when the message already says it.
        path: the file concerned, or "".
        kind: a stable machine name, for JSON.
        exit_code: the process exit code.
    """

    kind = "error"
    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path


class UsageError(CpzError):
    """The command line or a configuration asks for something that does not exist."""

    kind = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A TOML file has an unknown key, a wrong type or a value out of range."""

    kind = "config"


class WorkspaceError(UsageError):
    """The workspace cannot be read or written."""

    kind = "workspace"


class MachineError(CpzError):
    """The machine refused: the disk is full, a permission is missing, memory ran out."""

    kind = "machine"


class DataError(CpzError):
    """Rows or files that break a contract."""

    kind = "data"
    exit_code = 3


class MissingColumnError(DataError):
    """A column that was asked for is not in the file."""

    kind = "missing_column"


class MissingPropensityError(DataError):
    """Off-policy evaluation was asked of a log without propensities."""

    kind = "missing_propensity"


class NotEnoughDataError(CpzError):
    """The data are valid but too few to decide."""

    kind = "not_enough_data"
    exit_code = 4


class NotFoundError(CpzError):
    """A dataset, model or run that does not exist."""

    kind = "not_found"
    exit_code = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    >>> nearest("propensty", ["action", "propensity"])
    "did you mean 'propensity'?"
    >>> nearest("zzz", ["b", "a"])
    'known: a, b.'
    """
    names = sorted(set(known))
    lower = {known_name.lower(): known_name for known_name in names}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{lower[close[0]]}'?"
    return f"known: {', '.join(names)}."
