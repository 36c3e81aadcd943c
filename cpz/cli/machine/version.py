"""`cpz version`."""

from dataclasses import dataclass

from cpz.cli.shell.options import JsonOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.data.version import __version__
from cpz.report.values import Text


@dataclass(frozen=True, slots=True)
class VersionResult:
    """The version of cpz and of the Python that runs it."""

    cpz: str
    python: str


def version(json: JsonOption = False) -> int:
    """Print the version.

    Examples:
        cpz version
        cpz version --json
    """
    import platform

    result = VersionResult(__version__, platform.python_version())
    said = Text(f"cpz {result.cpz} (Python {result.python})")
    return finish(Outcome("version", result), json, (said,))
