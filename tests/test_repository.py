"""The repository keeps its promises: locks, links, targets, dependencies, no private paths."""

import doctest
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

from cpz.cli.machine.environment import release
from cpz.cli.shell.installation import DISTRIBUTION
from cpz.evaluation.ope.estimator import Estimator
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = ("cpz", "tests", "docs", "benchmarks", "examples", "tools")
FOLDERS = (*SOURCES, "requirements", ".ci", ".github")

#: A line of a lock is a pin or a hash.
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==[0-9][^ ]*( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")

#: Absolute paths of one machine; in pieces, so that this file does not hold what it forbids.
PRIVATE_PATH = re.compile(
    r"(?<![\w.:/-])/(?:" + "|".join(("ro" + "ot", "ho" + "me", "wo" + "rk")) + r")/"
)
#: A hint that would install the other project that is called cpz on the public index.
FOREIGN = re.compile(r"\bcpz\[[a-z]|\binstall\s+(?:-\S+\s+)*['\"]?cpz(?![\w-])")
#: `make test-PART`, beside make test.
TEST_PARTS = ("services", "browser", "wheel", "lowest")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def _files() -> Iterator[Path]:
    """Yield the project's own files: a user's data or notes in the checkout are not searched."""
    yield from (ROOT / name for name in ("Makefile", "LICENSE", ".gitignore"))
    yield from sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("*.toml"))
    for top in FOLDERS:
        for folder, folders, names in os.walk(ROOT / top):
            folders[:] = sorted(name for name in folders if name[0] not in "._")
            yield from (Path(folder, name) for name in sorted(names))


def _text(path: Path) -> str | None:
    content = path.read_bytes()
    return None if b"\0" in content else content.decode("utf-8", errors="replace")


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found.group().lower()


def _declared() -> set[str]:
    groups = [PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"]]
    groups += PROJECT["project"]["optional-dependencies"].values()
    groups += PROJECT["dependency-groups"].values()
    return {_name(item) for group in groups for item in group if isinstance(item, str)}


def _pinned(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


MARKDOWN = [path for path in _files() if path.suffix == ".md"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_is_pins_and_hashes_and_names_no_index(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not (PIN.match(line) or HASH.match(line))] == []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert not PIN.match(line) or HASH.match(following), f"{line} has no hash"


def test_the_locks_are_there() -> None:
    assert [lock.stem for lock in LOCKS] == ["dev", "docs", "lowest", "mutants", "runtime"]


def test_the_lowest_versions_are_those_that_are_declared() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = [*PROJECT["project"]["dependencies"], *(item for extra in extras for item in extra)]
    pinned = _pinned("lowest")
    for requirement in declared:
        floor = requirement.partition(">=")[2].split(",")[0]
        assert floor, f"{requirement} declares no least version"
        found = pinned[_name(requirement)]
        assert release(found)[: len(release(floor))] == release(floor), requirement


def test_runtime_and_dev_pin_every_declared_dependency() -> None:
    core = {_name(item) for item in PROJECT["project"]["dependencies"]}
    groups = PROJECT["dependency-groups"]
    assert core | {_name(item) for item in groups["build"]} <= _pinned("runtime").keys()
    named = {_name(item) for item in groups["dev"] if isinstance(item, str)}
    assert core | named <= _pinned("dev").keys()
    for lock in ("docs", "mutants"):
        assert {_name(item) for item in groups[lock]} <= _pinned(lock).keys()


def test_the_locks_agree() -> None:
    runtime, dev = _pinned("runtime"), _pinned("dev")
    assert runtime.items() <= dev.items()
    for other in (_pinned("docs"), _pinned("mutants")):
        assert {name: other[name] for name in other.keys() & dev.keys()}.items() <= dev.items()


def test_every_dependency_has_a_line_that_says_what_for() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    explained = {row[0].lower() for row in rows if len(row) >= 5 and all(row)}
    assert _declared() - explained == set()


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_resolves(page: Path) -> None:
    dead = []
    for target in (a or b for a, b in LINK.findall(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists():
            dead.append(target)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            dead += [target] if anchor not in map(_slug, headings) else []
    assert dead == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^ {4}|^\$ )make ([a-z-]+)", text, re.MULTILINE))
    assert named - _targets() == set()


def test_the_promised_targets_exist() -> None:
    promised = {"setup", "demo", "check", "test", "proof", "bench", "docs", "lock", "clean"}
    assert promised | {f"test-{part}" for part in TEST_PARTS} <= _targets()


def test_the_workflow_runs_targets_that_exist() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert ".ci/run" in workflow
    assert "make test-lowest" in workflow
    listed = re.search(r"^ +target: \[(.+)\]$", workflow, re.MULTILINE)
    assert listed is not None
    assert {"proof", "bench"} <= set(listed.group(1).split(", ")) <= _targets()
    tested = set(re.findall(r'"(3\.\d+)"', workflow))
    versions = [c.rsplit(" ", 1)[1] for c in PROJECT["project"]["classifiers"] if ":: 3." in c]
    assert tested == set(versions)


def test_the_continuous_integration_script_is_sound() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    parts = ["test-services", "test-browser", "test-wheel"]
    assert re.findall(r"^make ([a-z-]+)", text, re.MULTILINE) == ["check", "test", *parts]
    assert text.index("export CPZ_REQUIRE_SERVICES=1") < text.index("\nmake test")


def test_every_test_belongs_to_one_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r'pytest .*-m "?([^"\n]+?)"?(?: tests)?$', makefile, re.MULTILINE)) == {
        "not slow and not service and not browser",
        "service and not slow",
        "browser and not slow",
        "slow",
    }


def test_no_generated_example_fails_by_the_clock() -> None:
    assert settings().deadline is None


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _files()
        for number, line in enumerate((_text(path) or "").splitlines(), start=1)
        if PRIVATE_PATH.search(line)
    ]
    assert found == []


def test_the_search_for_private_paths_can_fail() -> None:
    home = "/ho" + "me/"
    assert PRIVATE_PATH.search(f"open('{home}me/x')")
    assert not PRIVATE_PATH.search(f"https://example.com{home}me")
    assert not PRIVATE_PATH.search(f"docs{home}me")


def test_no_text_tells_anybody_to_install_another_project() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{match.group()}"
        for path in _files()
        for match in FOREIGN.finditer(_text(path) or "")
    ]
    assert found == []


def test_the_search_for_foreign_hints_can_fail() -> None:
    for foreign in ("pip install {}", "pip install -U '{}'", "the extra {}[serve]"):
        assert FOREIGN.search(foreign.format("cpz"))
    for fine in ("pip install '.[serve]'", "pip install {}-checkout", "{}_checkout.whl[serve]"):
        assert not FOREIGN.search(fine.format("cpz"))


def test_the_distribution_has_one_name() -> None:
    assert PROJECT["project"]["name"] == DISTRIBUTION
    assert PROJECT["project"]["scripts"] == {"cpz": "cpz.cli.app:main"}


def test_no_source_file_is_over_600_lines() -> None:
    sources = [path for path in _files() if path.suffix == ".py"]
    assert len(sources) > 10
    assert [p.name for p in sources if len(p.read_text("utf-8").splitlines()) > 600] == []


def test_the_estimator_that_contributing_shows_works() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.+?)```", page, re.DOTALL)
    assert block is not None
    module = ModuleType("beta_ipw")
    exec(block.group(1), module.__dict__)
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=3)
    estimator: Estimator = module.BetaIPW()
    log = LoggedDecisions(
        reward=np.array([1.0, 0.0, 1.0, 0.0]),
        propensity=np.full(4, 0.5),
        policy_taken=np.array([1.0, 0.5, 0.0, 1.0]),
    )
    # w = 2, 1, 0, 2: E[w r] = 1/2, E[w] = 5/4, E[w^2 r] = 1, E[w^2] = 9/4, so Cov = 3/8,
    # Var = 11/16, beta = 6/11, and the estimate is 1/2 - 6/11 (5/4 - 1) = 4/11
    influence = estimator.influence(log, EstimatorParameters())
    assert influence.estimate == pytest.approx(4 / 11)
    assert influence.psi == pytest.approx([16 / 11, 0.0, 6 / 11, -6 / 11])
