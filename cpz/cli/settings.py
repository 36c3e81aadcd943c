"""The TOML settings file: defaults for flags, below the environment and the flags themselves.

A file has one table per command, whose keys are the command's long options without the dashes:

    [simulate]
    sessions = 50000
"""

import tomllib
from pathlib import Path
from typing import Any

from cpz.data.errors import ConfigError, NotFoundError, nearest

DEFAULT_FILE = Path("cpz.toml")


def read_settings(path: Path | None, known: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Read a settings file into defaults per command.

    Args:
        path: the file asked for, or None for `cpz.toml` in this folder where there is one.
        known: per command, its long option names and the parameter each one sets.

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
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})", path=str(path)) from error
    return {command: _options(path, command, table, known) for command, table in content.items()}


def _options(
    path: Path, command: str, table: object, known: dict[str, dict[str, str]]
) -> dict[str, Any]:
    if command not in known:
        raise ConfigError(f"{path}: unknown table [{command}]", hint=nearest(command, known))
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {command} must be a table", hint=f"write [{command}]")
    options = known[command]
    for key in table:
        if key not in options:
            raise ConfigError(
                f"{path}: unknown key {key!r} in [{command}]", hint=nearest(key, options)
            )
    return {options[key]: value for key, value in table.items()}
