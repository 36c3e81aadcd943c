"""Which mutants there are: cosmic-ray's operators over a folder, less what no test is to notice."""

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

# cosmic-ray stands in requirements/mutants.txt alone, so the type checkers do not find it
_PLUGINS: Any = import_module("cosmic_ray.plugins")
_TREES: Any = import_module("cosmic_ray.ast")
_MUTATING: Any = import_module("cosmic_ray.mutating")

Place = tuple[int, int]
Span = tuple[Place, Place]

#: One family a line. Bitwise operators on numbers, and `==` in place of `is`, are left out: they
#: raise a TypeError or change nothing, and either would make the share of killed mutants a lie.
_ORDER = "(Eq|NotEq|Lt|LtE|Gt|GtE)"
_OPERATORS = re.compile(
    "core/("
    "NumberReplacer"
    f"|ReplaceComparisonOperator_({_ORDER}_{_ORDER}|Is_IsNot|IsNot_Is)"
    "|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Div|Pow_Mul)"
    "|ReplaceBinaryOperator_(BitAnd_BitOr|BitOr_BitAnd)"
    "|ReplaceUnaryOperator_(USub_UAdd|Delete_(Not|Invert))"
    "|Replace(TrueWithFalse|FalseWithTrue|AndWithOr|OrWithAnd|BreakWithContinue|ContinueWithBreak)"
    "|AddNot|ZeroIterationForLoop|ExceptionReplacer)"
)
#: Between texts there is no order that anyone means.
_TO_ORDER = re.compile("_(Eq|NotEq)_(Lt|LtE|Gt|GtE)$")
_LOGGERS = ("log", "logger", "logging", "warnings")
#: Arguments that are read by people.
_WORDS = ("hint", "help", "reason", "cause", "why")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one place.

    Attributes:
        path: the file, from the root of the repository.
        operator, occurrence: cosmic-ray's name of the change.
        line: the first line it touches.
        source: the whole changed file.
        before, after: that line.
    """

    path: str
    operator: str
    occurrence: int
    line: int
    source: str
    before: str
    after: str


def files_of(root: Path, folder: str, only: Sequence[str], without: Sequence[str]) -> list[str]:
    """Return the files of a folder to mutate; `only` and `without` are paths inside it."""
    base = root / folder
    paths = (str(path.relative_to(base)) for path in sorted(base.rglob("*.py")))
    chosen = [path for path in paths if not path.endswith("__init__.py")]
    if only:
        chosen = [path for path in chosen if path in only]
    return [f"{folder}/{path}" for path in chosen if path not in without]


def sampled(root: Path, paths: Sequence[str], n: int, seed: int) -> tuple[list[Mutant], int]:
    """Draw n mutants without replacement, each equally likely; return them and how many exist."""
    places = [
        (path, operator, occurrence, line)
        for path in paths
        for operator, occurrence, line in _places((root / path).read_text(encoding="utf-8"))
    ]
    random.Random(seed).shuffle(places)
    found: list[Mutant] = []
    for path, operator, occurrence, line in places:
        if len(found) == n:
            break
        mutant = _mutant(root, path, operator, occurrence, line)
        if mutant is not None:
            found.append(mutant)
    return found, len(places)


def _mutant(root: Path, path: str, operator: str, occurrence: int, line: int) -> Mutant | None:
    """Return the mutant, or None where the change is no Python or none at all."""
    text = (root / path).read_text(encoding="utf-8")
    try:
        source = _MUTATING.mutate_code(text, _PLUGINS.get_operator(operator)(), occurrence)
        if source is None or ast.dump(ast.parse(source)) == ast.dump(ast.parse(text)):
            return None
    except (SyntaxError, AttributeError):
        # cosmic-ray stumbles over `except package.Error`
        return None
    before, after = text.splitlines(), source.splitlines()
    return Mutant(
        path,
        operator.removeprefix("core/"),
        occurrence,
        line,
        source,
        before[line - 1].strip(),
        after[line - 1].strip(),
    )


def _places(text: str) -> Iterator[tuple[str, int, int]]:
    parsed = ast.parse(text)
    silent, unordered = list(_silent(parsed)), list(_compared_with_text(parsed))
    tree = _TREES.get_ast(text)
    for name in _PLUGINS.operator_names():
        if not _OPERATORS.fullmatch(name):
            continue
        operator: Any = _PLUGINS.get_operator(name)()
        positions = (
            span for node in _TREES.ast_nodes(tree) for span in operator.mutation_positions(node)
        )
        left_out = silent + (unordered if _TO_ORDER.search(name) else [])
        for occurrence, (start, _) in enumerate(positions):
            if not any(low <= start < high for low, high in left_out):
                yield name, occurrence, start[0]


def _silent(tree: ast.Module) -> Iterator[Span]:
    """Find what no test is to notice: texts, raised messages, logging, types and decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or _is_logging(node):
            yield _span(node)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from (_span(argument) for argument in node.exc.args)
        elif isinstance(node, ast.keyword) and node.arg in _WORDS:
            yield _span(node)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (_span(decorator) for decorator in node.decorator_list)
        yield from (_span(part) for part in _types(node))


def _compared_with_text(tree: ast.Module) -> Iterator[Span]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            if any(
                isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides
            ):
                yield _span(node)


def _types(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        yield node.returns
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.Subscript):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if any(re.fullmatch("_?([A-Z][a-z]+)+", name) for name in names):
            yield node.value


def _is_logging(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.lstrip("_") in _LOGGERS
    )


def _span(node: Any) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
