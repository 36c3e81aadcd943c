"""Write what can be derived: the option tables in docs/commands/ and the schemas in docs/schemas/.

Run by `make reference`; a test runs it with --check and fails when a page is behind the code.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec
import typer

from cpz.cli.app import app
from cpz.cli.results import RESULTS
from cpz.cli.shell.outcome import Envelope

ROOT = Path(__file__).parents[1]
START, END = "<!-- options -->", "<!-- /options -->"


def leaves(command: Any, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Return every runnable command of the tree with its words."""
    children = getattr(command, "commands", None)
    if children is None:
        return [(words, command)]
    return [leaf for name, child in children.items() for leaf in leaves(child, (*words, name))]


def options_table(command: Any) -> str:
    """Return a Markdown table of a command's arguments and options."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    for param in command.params:
        names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
        default = "required" if param.required else _default(param)
        rows.append(f"| {names} | {default} | {param.help or ''} |")
    return "\n".join(rows)


def _default(param: Any) -> str:
    value = "" if callable(param.default) else param.default
    if param.name == "jobs":
        return "cores, at most 8"
    return "" if value in (None, False, "") else f"`{value}`"


def page(words: tuple[str, ...], command: Any) -> str:
    """Return the docs page with its options table renewed."""
    path = ROOT / "docs" / "commands" / f"{'-'.join(words)}.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# cpz {' '.join(words)}\n\n"
    if START not in text:
        text = f"{text.rstrip()}\n\n## Options\n\n{START}\n{END}\n"
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{START}\n{options_table(command)}\n{END}{after}"


def schema(words: tuple[str, ...]) -> str:
    """Return the JSON schema of the command's envelope with its own result type."""
    envelope = msgspec.json.schema(Envelope)
    result = msgspec.json.schema(RESULTS[" ".join(words)])
    definitions = envelope.pop("$defs") | result.pop("$defs", {})
    definitions["Envelope"]["properties"]["result"] = result
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"cpz {' '.join(words)}",
        **envelope,
        "$defs": definitions,
    }
    encoded = msgspec.json.encode(nullable_numbers(document), order="deterministic")
    return msgspec.json.format(encoded, indent=1).decode() + "\n"


def nullable_numbers(value: Any) -> Any:
    """Allow null wherever a number stands: non-finite numbers are written as null.

    Descriptions come from docstrings, whose indentation depends on Python's version: dedent them.
    """
    if isinstance(value, dict):
        if isinstance(value.get("description"), str):
            value = {**value, "description": inspect.cleandoc(value["description"])}
        if value.get("type") == "number":
            return {**value, "type": ["number", "null"]}
        return {key: nullable_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nullable_numbers(item) for item in value]
    return value


def files() -> dict[Path, str]:
    """Return every derived file and what it must hold."""
    made: dict[Path, str] = {}
    for words, command in leaves(typer.main.get_command(app)):
        name = "-".join(words)
        made[ROOT / "docs" / "commands" / f"{name}.md"] = page(words, command)
        made[ROOT / "docs" / "schemas" / f"{name}.json"] = schema(words)
    return made


def main() -> int:
    """Write the files, or with --check name those that are behind."""
    stale = [
        path
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            print(f"behind the code: {path.relative_to(ROOT)} (run `make reference`)")
        return int(bool(stale))
    for path in stale:
        path.write_text(files()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
