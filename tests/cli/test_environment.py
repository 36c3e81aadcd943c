"""The examination of the machine: each rule by hand, and one whole run."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.cli.machine import environment
from cpz.cli.machine.environment import (
    DISK_WANTED_BYTES,
    MEMORY_WANTED_BYTES,
    Check,
    Requirement,
    check_cores,
    check_disk,
    check_memory,
    check_openmp,
    check_package,
    check_python,
    check_workspace,
    examine,
    existing_ancestor,
    installed,
    parse_cpu_quota,
    parse_meminfo,
    parse_memory_limit,
    parse_requirement,
    release,
    requirements,
    usable_cores,
    usable_memory_bytes,
)
from cpz.cli.shell.installation import DISTRIBUTION

NUMPY = Requirement("numpy", "2.0.2")
OPTUNA = Requirement("optuna", "4", "tune")


@pytest.mark.parametrize(
    ("running", "status"),
    [
        ((3, 10, 14), "failed"),
        ((3, 11, 0), "ok"),
        ((3, 13, 9), "ok"),
        ((3, 14, 0), "failed"),
        ((4, 0, 0), "failed"),
    ],
)
def test_python_range_has_both_ends(running: tuple[int, ...], status: str) -> None:
    assert check_python(running).status == status


def test_the_supported_range_is_the_one_that_is_packaged() -> None:
    low, high = environment.PYTHON_FROM, environment.PYTHON_BELOW
    declared = set(metadata(DISTRIBUTION)["Requires-Python"].split(","))
    assert declared == {f">={low[0]}.{low[1]}", f"<{high[0]}.{high[1]}"}


@pytest.mark.parametrize(
    ("wanted", "found", "status"),
    [
        (NUMPY, "2.0.2", "ok"),
        (NUMPY, "2.1", "ok"),
        (NUMPY, "2.0.1", "failed"),
        (NUMPY, "10.0", "ok"),
        (NUMPY, "1.26.4", "failed"),
        (NUMPY, None, "failed"),
        (OPTUNA, None, "ok"),
        (OPTUNA, "3.6", "failed"),
        (Requirement("rich", ""), "0.1", "ok"),
    ],
)
def test_package_rule(wanted: Requirement, found: str | None, status: str) -> None:
    assert check_package(wanted, found).status == status


def test_the_fix_names_the_extra_that_holds_the_package() -> None:
    assert ".[tune]" in check_package(OPTUNA, "3.6").fix
    assert "[" not in check_package(NUMPY, None).fix


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_release_orders_as_numbers_do(numbers: list[int]) -> None:
    assert release(".".join(map(str, numbers)) + "rc1") == tuple(numbers)
    assert release(f"{numbers[0]}") < release(f"{numbers[0] + 1}")


def test_a_version_without_numbers_is_older_than_all() -> None:
    assert release("unknown") < release("0")


def test_a_line_that_is_no_requirement_is_refused() -> None:
    with pytest.raises(ValueError, match="not a requirement"):
        parse_requirement("; extra == 'x'")


def test_requirements_are_those_of_the_package() -> None:
    declared = {wanted.name.lower(): wanted for wanted in requirements()}
    assert declared["numpy"] == NUMPY
    assert declared["optuna"] == OPTUNA
    assert declared["uvicorn"].extra == "serve"


def test_cpz_may_run_uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "requires", missing)
    assert requirements() == ()
    assert installed("no-such-package-of-this-name") is None


def test_meminfo_of_another_system_says_nothing() -> None:
    assert parse_meminfo("MemFree: 5 kB\nMemTotal:  3 kB\nBuffers: 1 kB") == 3072
    assert parse_meminfo("") is None


@pytest.mark.parametrize(
    ("text", "cores"), [("50000 100000", 1), ("200000 100000", 2), ("max 100000", None), ("", None)]
)
def test_cpu_quota_rounds_up_and_never_to_zero(text: str, cores: int | None) -> None:
    assert parse_cpu_quota(text) == cores


def test_memory_limit_of_a_container() -> None:
    assert parse_memory_limit("1073741824\n") == 2**30
    assert parse_memory_limit("max\n") is None


def test_the_container_limits_what_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 4194304 kB\n")
    monkeypatch.setattr(environment, "_MEMINFO", meminfo)
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    assert usable_memory_bytes() == 4 * 2**30
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert usable_memory_bytes() == 2**20
    assert usable_cores() == 1


def test_memory_without_proc_comes_from_sysconf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(environment, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sysconf", values.__getitem__)
    assert usable_memory_bytes() == 4_096_000

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert usable_memory_bytes() is None


def test_memory_rule_at_its_limit() -> None:
    assert check_memory(MEMORY_WANTED_BYTES).status == "ok"
    assert check_memory(MEMORY_WANTED_BYTES - 1).status == "warning"
    assert check_memory(None).status == "warning"


def test_disk_and_core_rules_at_their_limits() -> None:
    assert check_disk(DISK_WANTED_BYTES).status == "ok"
    assert check_disk(DISK_WANTED_BYTES - 1).status == "warning"
    assert check_cores(2).status == "ok"
    assert check_cores(1).status == "warning"


def test_openmp_is_only_looked_for_where_the_wheel_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "loads", lambda library: False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert check_openmp().status == "failed"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert check_openmp().status == "ok"


def test_a_library_that_is_not_there_does_not_load() -> None:
    assert not environment.loads("libno-such-library-of-this-name.so.9")


def test_workspace_that_is_yet_to_be_made(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert existing_ancestor(wanted) == tmp_path
    assert check_workspace(wanted).status == "ok"
    assert not (tmp_path / "a").exists()


def test_workspace_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.touch()
    found = check_workspace(file)
    assert found.status == "failed"
    assert "CPZ_WORKSPACE" in found.fix


def test_workspace_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the super-user may write everywhere, so the answer is planted
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert check_workspace(tmp_path).status == "failed"


def test_whole_examination(tmp_path: Path) -> None:
    found = examine(tmp_path)
    ids = [check.id for check in found.checks]
    assert found.n_cores >= 1
    assert found.disk_free_bytes > 0
    assert len(ids) == len(set(ids))
    assert {"python", "package:lightgbm", "openmp", "memory", "workspace", "disk"} <= set(ids)
    assert found.is_fit == all(check.status != "failed" for check in found.checks)


@pytest.mark.parametrize("status", ["warning", "failed"])
def test_only_a_failed_check_makes_a_machine_unfit(status: environment.Status) -> None:
    found = environment.Examination("3.11", "Linux", 2, 1, 1, (Check("x", status, "", "", "mend"),))
    assert found.is_fit == (status == "warning")


def test_every_check_that_is_not_ok_names_a_fix() -> None:
    troubled = [
        check_python((3, 10, 0)),
        check_package(NUMPY, None),
        check_package(OPTUNA, "1"),
        check_cores(1),
        check_memory(None),
        check_memory(1),
        check_disk(1),
    ]
    assert [check.id for check in troubled if not check.fix] == []
    assert all(check.status != "ok" for check in troubled)


def test_examining_imports_no_heavy_package() -> None:
    code = (
        "import json, sys; from pathlib import Path; "
        "from cpz.cli.machine.environment import examine; "
        "examine(Path('.')); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "polars", "duckdb", "lightgbm", "scipy", "pyarrow", "faker", "jinja2"}
    assert heavy.isdisjoint(json.loads(done.stdout))
