"""The size limits of CONTRIBUTING.md that no linter keeps: lines, and parameters everywhere.

Complexity is kept by ruff (C901), parameters by PLR0913 outside `cpz/cli` and `tests`. A command's
parameters are its options, so there the limit is on the body.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES, FUNCTION_LINES, COMMAND_LINES, PARAMETERS = 600, 60, 40, 6
Function = ast.FunctionDef | ast.AsyncFunctionDef
FILES = sorted(
    path for top in ("cpz", "tests", "tools", "benchmarks") for path in (ROOT / top).rglob("*.py")
)


@dataclass(frozen=True)
class Size:
    """A function with its lines, the lines of its body below the docstring, and its parameters."""

    name: str
    lines: int
    body: int
    parameters: int
    is_command: bool


def sizes(source: str) -> Iterator[Size]:
    """Yield the size of each function of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            yield _size(node)


def _size(node: Function) -> Size:
    end = node.end_lineno or node.lineno
    has_docstring = ast.get_docstring(node) is not None
    start = node.body[min(int(has_docstring), len(node.body) - 1)].lineno
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own = [one for one in named if one.arg not in ("self", "cls")]
    annotations = " ".join(ast.unparse(one.annotation) for one in own if one.annotation)
    # an option is annotated in place, or by one of the aliases that end so
    is_command = "typer." in annotations or "Option" in annotations
    return Size(node.name, end - node.lineno + 1, end - start + 1, len(own), is_command)


def too_large(source: str, *, is_cli: bool, is_test: bool) -> list[str]:
    """Return what breaks a limit, in words."""
    found = []
    for size in sizes(source):
        if is_cli and size.is_command:
            if size.body > COMMAND_LINES:
                found.append(f"{size.name}: a command of {size.body} lines below its docstring")
        elif size.lines > FUNCTION_LINES:
            found.append(f"{size.name}: {size.lines} lines")
        elif size.parameters > PARAMETERS and not is_test:
            found.append(f"{size.name}: {size.parameters} parameters")
    return found


@pytest.mark.parametrize("top", ["cpz", "tests", "tools", "benchmarks"])
def test_files_and_functions_keep_their_size(top: str) -> None:
    found = []
    for path in FILES:
        where = path.relative_to(ROOT)
        if where.parts[0] != top:
            continue
        source = path.read_text(encoding="utf-8")
        lines = source.count("\n")
        found += [f"{where}: {lines} lines"] if lines > FILE_LINES else []
        large = too_large(source, is_cli=where.parts[:2] == ("cpz", "cli"), is_test=top == "tests")
        found += [f"{where}: {words}" for words in large]
    assert found == []


def test_what_is_too_large_is_found() -> None:
    long = "def f():\n" + "    x = 1\n" * 60
    assert too_large(long, is_cli=False, is_test=False) == ["f: 61 lines"]
    many = "async def f(self, a, b, c, *, d, e, g, h): pass\n"
    assert too_large(many, is_cli=False, is_test=False) == ["f: 7 parameters"]
    assert too_large(many, is_cli=False, is_test=True) == []
    command = "def f(a: JsonOption, b, c, d, e, g, h):\n    '''Doc.'''\n" + "    x = 1\n" * 41
    assert too_large(command, is_cli=False, is_test=False) == ["f: 7 parameters"]
    assert len(too_large(command, is_cli=True, is_test=False)) == 1
    assert too_large(command.replace("    x = 1\n", "", 1), is_cli=True, is_test=False) == []
