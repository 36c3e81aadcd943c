"""The names, types and signatures of `import cpz`, and what an import costs."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import cpz

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "notebook.py").read_text(encoding="utf-8")
HEAVY = (
    *("numpy", "polars", "pyarrow", "duckdb", "lightgbm", "scipy", "pandas"),
    *("rich", "typer", "jinja2", "msgspec", "faker"),
)
#: Scripts stand on these; a keyword that goes is a line in the changelog.
SIGNATURES = {
    "simulate": "scenario, *, sessions, seed, dataset, overrides, workspace",
    "load": "dataset, *, workspace",
    "read_log": "file, *, map, dataset, force, workspace",
    "train": "dataset, *, reward, placement, test_share, epsilon, trees, labels, seed",
    "evaluate": "data, *, policy, reward, placement, with_truth, config, map, action, propensity, "
    "position, unit, context, options",
    "ab.plan": "data, *, metrics, kind, baseline, sd, effect, split, alpha, power, units_per_day, "
    "days, sequential, tuned_at",
    "ab.analyze": "data, *, metrics, split, test, alpha, sequential, tuned_at",
    "canary.judge": "baseline, canary, *, judge, config",
}
RESULTS = (
    cpz.Evaluation,
    cpz.Model,
    cpz.ExperimentPlan,
    cpz.ExperimentAnalysis,
    cpz.CanaryJudgment,
)


def _keywords(signature: inspect.Signature) -> str:
    names = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        names.append(name)
    return ", ".join(names)


@pytest.mark.parametrize("verb", SIGNATURES)
def test_a_verb_takes_what_it_took(verb: str) -> None:
    found: object = cpz
    for word in verb.split("."):
        found = getattr(found, word)
    assert callable(found)
    assert _keywords(inspect.signature(found)) == SIGNATURES[verb]


@pytest.mark.parametrize("kind", RESULTS)
def test_every_result_can_be_shown_and_kept(kind: type) -> None:
    for name in ("to_frame", "to_dict", "to_json", "report", "_repr_html_"):
        assert callable(getattr(kind, name))


def test_an_import_loads_no_heavy_library_and_no_room() -> None:
    code = (
        "import sys, cpz; dir(cpz); "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), "
        "sorted(name for name in sys.modules if name.startswith('cpz')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['cpz', 'cpz.data', 'cpz.data.version']"


def test_every_name_is_there_and_no_other() -> None:
    assert dir(cpz) == sorted(cpz.__all__)
    for name in cpz.__all__:
        assert getattr(cpz, name) is not None
    with pytest.raises(AttributeError, match="simulat"):
        _ = cpz.simulat  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_type_checker_sees_what_is_loaded() -> None:
    """Both halves of the lazy import say the same: for each name, the same object."""
    tree = ast.parse((ROOT / "cpz" / "__init__.py").read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    named = {
        alias.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named.keys() == set(cpz.__all__) - {"__version__"}
    for name, module in named.items():
        found = getattr(cpz, name)
        assert found is getattr(sys.modules[str(module)], name)
    assert (ROOT / "cpz" / "py.typed").is_file()


def test_the_example_goes_from_nothing_to_a_verdict(tmp_path: Path) -> None:
    lines = [line for line in ast.parse(EXAMPLE).body if not isinstance(line, ast.Expr)]
    prints = EXAMPLE.count("print(") + EXAMPLE.count(".report(")
    assert len(lines) + prints == 10
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "notebook.py")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("Under payment policy 'greedy'")
    assert "audit" not in done.stderr
    assert done.stdout.rstrip().splitlines()[-1].startswith("metric: ")
    assert "What the policy is worth" in (tmp_path / "evaluation.html").read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_pages_show_the_example_that_runs(page: str) -> None:
    shown = EXAMPLE.partition('"""\n\n')[2].strip()
    assert shown.startswith("import cpz")
    assert shown in (ROOT / page).read_text(encoding="utf-8")
