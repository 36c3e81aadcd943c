"""The sizes that keep the code readable; ruff holds what it can express (complexity, arguments)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("cpz", "tests", "benchmarks", "tools")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 600
MOST_FILES = 25
#: Folders that may hold more, each with the ADR that says why.
WIDE_FOLDERS: dict[str, str] = {}
MOST_FUNCTION_LINES = 60
#: Of a command's own work. Its options are its signature, and its help stands in its docstring.
MOST_COMMAND_LINES = 40
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _is_command(function: Function) -> bool:
    """Say whether Typer makes a command line of it: it takes `json`, the switch all share."""
    return "json" in {argument.arg for argument in function.args.args}


def _lines(function: Function) -> int:
    """Return the length of a function; of a command, that of its statements."""
    assert function.end_lineno is not None
    if not _is_command(function):
        return function.end_lineno - function.lineno + 1
    has_docstring = ast.get_docstring(function) is not None
    return function.end_lineno - function.body[int(has_docstring)].lineno + 1


def _too_long(source: str) -> list[str]:
    found = []
    for function in _functions(ast.parse(source)):
        most = MOST_COMMAND_LINES if _is_command(function) else MOST_FUNCTION_LINES
        if _lines(function) > most:
            found.append(f"{function.name}: {_lines(function)} lines, at most {most}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MOST_LINES
    assert not _too_long(source)


def test_files_and_functions_are_short_on_the_whole() -> None:
    sources = [
        path.read_text(encoding="utf-8") for path in FILES if path.is_relative_to(ROOT / "cpz")
    ]
    assert len(sources) > 100
    assert median(source.count("\n") for source in sources) <= 160
    functions = [function for source in sources for function in _functions(ast.parse(source))]
    assert median(_lines(function) for function in functions) <= 12


def test_a_long_function_would_be_found() -> None:
    body = "    x = 1\n" * MOST_FUNCTION_LINES
    assert not _too_long(f"def f():\n{body[:-10]}")
    assert _too_long(f"def f():\n{body}")
    options = "".join(f"    option_{i}=0,\n" for i in range(100))
    assert not _too_long(f"def f(\n{options}    json=False,\n):\n    return 1\n")
    assert _too_long(f"def f(\n{options}    json=False,\n):\n{body}")


def _crowded(folders: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in folders.items() if n > MOST_FILES}


def test_no_folder_is_crowded() -> None:
    folders: dict[str, int] = {}
    for path in FILES:
        if path.is_relative_to(ROOT / "cpz"):
            name = str(path.parent.relative_to(ROOT))
            folders[name] = folders.get(name, 0) + 1
    assert len(folders) > 20
    assert set(_crowded(folders)) == set(WIDE_FOLDERS)
    for name, adr in WIDE_FOLDERS.items():
        assert (ROOT / "docs" / "adr" / adr).is_file(), name


def test_a_crowded_folder_would_be_found() -> None:
    assert _crowded({"a": MOST_FILES, "b": MOST_FILES + 1}) == {"b": MOST_FILES + 1}


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in FILES if path.is_relative_to(ROOT / "cpz")}),
    ids=lambda folder: str(folder.relative_to(ROOT)),
)
def test_each_folder_says_what_lives_there(folder: Path) -> None:
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
