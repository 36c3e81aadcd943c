"""The TOML settings file: defaults for flags, below the environment and the flags themselves.

A file has one table per command, whose keys are the command's long options without the dashes:

    [simulate]
    sessions = 50000

    [ab.plan]
    power = 0.9
"""

from pathlib import Path
from typing import Any

from cpz.data.errors import ConfigError, NotFoundError, nearest
from cpz.data.toml_files import read_toml

DEFAULT_FILE = Path("cpz.toml")


def read_settings(path: Path | None, known: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Read a settings file into defaults per command.

    Args:
        path: the file asked for, or None for `cpz.toml` in this folder where there is one.
        known: per command, such as "ab plan", its long option names and the parameter each sets.

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
    return {name: _defaults(path, (name,), table, known) for name, table in content.items()}


def _defaults(
    path: Path, words: tuple[str, ...], table: object, known: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """Return the defaults of a command, or of each command of a group."""
    command, title = " ".join(words), ".".join(words)
    if command not in known and not any(name.startswith(f"{command} ") for name in known):
        tables = [name.replace(" ", ".") for name in known]
        raise ConfigError(f"{path}: unknown table [{title}]", hint=nearest(title, tables))
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {title} must be a table", hint=f"write [{title}]")
    if command not in known:
        return {
            name: _defaults(path, (*words, name), inner, known) for name, inner in table.items()
        }
    options = known[command]
    for key in table:
        if key not in options:
            raise ConfigError(
                f"{path}: unknown key {key!r} in [{title}]", hint=nearest(key, options)
            )
    return {options[key]: value for key, value in table.items()}
