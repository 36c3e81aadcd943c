"""The TOML settings file: defaults for flags, below the environment and the flags themselves.

A file has one table per command, whose keys are the command's long options without the dashes:

    [simulate]
    sessions = 50000

    [ab.plan]
    days = 14
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cpz.data.errors import ConfigError, NotFoundError, nearest
from cpz.data.toml_files import read_toml

DEFAULT_FILE = Path("cpz.toml")


def read_settings(path: Path | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """Read a settings file into defaults per command.

    Args:
        path: the file asked for, or None for `cpz.toml` in this folder where there is one.
        known: per command, its long option names and the parameter each one sets; per group, the
            same for its commands.

    Raises:
        NotFoundError: the file that was asked for does not exist.
        ConfigError: the file is not TOML, or has a key that no command knows.
    """
    if path is None:
        if not DEFAULT_FILE.is_file():
            return {}
        path = DEFAULT_FILE
    if not path.is_file():
        raise NotFoundError(f"settings file {path} does not exist", hint="check --config")
    content = read_toml(path, "settings file")
    return {name: _table(path, name, table, known) for name, table in content.items()}


def _table(path: Path, name: str, table: object, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a command, or of the commands of a group."""
    last = name.rpartition(".")[2]
    file = str(path)
    if last not in known:
        raise ConfigError(f"{path}: unknown table [{name}]", hint=nearest(last, known), path=file)
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name} must be a table", hint=f"write [{name}]", path=file)
    options: Mapping[str, Any] = known[last]
    if any(isinstance(value, Mapping) for value in options.values()):
        return {key: _table(path, f"{name}.{key}", inner, options) for key, inner in table.items()}
    for key in table:
        if key not in options:
            raise ConfigError(
                f"{path}: unknown key {key!r} in [{name}]", hint=nearest(key, options), path=file
            )
    return {options[key]: value for key, value in table.items()}
