"""Reading a TOML file with one message for each way in which it can fail."""

import tomllib
from pathlib import Path
from typing import Any

from cpz.data.errors import ConfigError, NotFoundError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return a file's tables as plain values; a byte order mark is allowed.

    Args:
        path: the file.
        what: what it is, for the message when it is not there, such as "mapping file".

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such {what}", path=str(path)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})", path=str(path)) from error
