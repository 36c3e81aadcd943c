"""A service that is missing skips its tests, and where services are required it fails the run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.fixture
def redis():
    pytest.skip("no server")

def test_with_a_server(redis):
    pass

def test_without_one():
    pass

def test_of_something_else():
    pytest.skip("no full device here")

@pytest.mark.xfail
def test_known_to_fail(request):
    assert False
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_all.py").write_text(TESTS)
    marks = "    service: needs a server\n    browser: needs a browser\n"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers =\n{marks}")
    return tmp_path


def pytest_in(folder: Path, *words: str, required: bool = False) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if k != "CPZ_REQUIRE_SERVICES"}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if required:
        environment["CPZ_REQUIRE_SERVICES"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout


def test_a_missing_server_is_a_skip_unless_services_are_required(folder: Path) -> None:
    assert pytest_in(folder)[0] == 0
    code, out = pytest_in(folder, required=True)
    assert code == 1
    # the fixture skipped, so it counts as an error; the skip that needs no server stays one
    assert "1 passed, 1 skipped, 1 xfailed, 1 error" in out
    assert "no server" in out


def test_a_test_that_asks_for_a_server_has_the_mark_by_that(folder: Path) -> None:
    assert "1 skipped, 3 deselected" in pytest_in(folder, "-m", "service")[1]
    assert "1 deselected" in pytest_in(folder, "-m", "not service")[1]


def test_a_run_that_selects_no_test_fails(folder: Path) -> None:
    assert pytest_in(folder, "-m", "browser")[0] == 5
