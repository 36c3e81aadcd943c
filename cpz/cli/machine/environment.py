"""What this machine offers cpz: versions, cores, memory, disk, and a fix for what is wanting.

A look-up alone: it reads the operating system and the installed packages' metadata, imports none
of those packages (LightGBM alone costs two seconds), and writes nothing.
"""

import ctypes
import math
import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from cpz.cli.shell.installation import DISTRIBUTION, install_command

Status = Literal["ok", "warning", "failed"]
Release = tuple[int, ...]

PYTHON_FROM: Release = (3, 11)
PYTHON_BELOW: Release = (3, 14)

GIB = 2**30
#: Measured peaks: training on 100,000 sessions 0.45 GB, evaluating a million rows by ten actions
#: 0.35 GB. Two GiB leave room for a real log beside them.
MEMORY_WANTED_BYTES = 2 * GIB
#: 100,000 sessions with truth take 24 MB; the rest is room for a real log.
DISK_WANTED_BYTES = GIB

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:>=\s*([0-9.]+))?")
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        id: a stable name, such as "memory" or "package:numpy".
        status: "failed" where cpz cannot work, "warning" where it is limited.
        found: what is there, for a reader.
        expected: what cpz wants.
        fix: the next step, or "" where the status is "ok".
    """

    id: str
    status: Status
    found: str
    expected: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """The machine and the checks.

    Attributes:
        python: the version of the running Python.
        system: operating system and architecture.
        n_cores: cores that this process may use, its container's quota included.
        memory_bytes: memory that this process may use; None where it cannot be known.
        disk_free_bytes: free space where the workspace is or would be.
        checks: in a fixed order.
    """

    python: str
    system: str
    n_cores: int
    memory_bytes: int | None
    disk_free_bytes: int
    checks: tuple[Check, ...]

    @property
    def is_fit(self) -> bool:
        """Return whether no check has failed."""
        return all(check.status != "failed" for check in self.checks)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One dependency from the metadata of cpz: its least version and the extra it belongs to."""

    name: str
    minimum: str
    extra: str = ""


def examine(workspace: Path) -> Examination:
    """Look at the machine, the installed packages and the workspace, which need not exist yet."""
    folder = existing_ancestor(workspace)
    n_cores = usable_cores()
    memory = usable_memory_bytes()
    disk_free = shutil.disk_usage(folder).free
    return Examination(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        n_cores=n_cores,
        memory_bytes=memory,
        disk_free_bytes=disk_free,
        checks=(
            check_python(sys.version_info[:3]),
            *(check_package(wanted, installed(wanted.name)) for wanted in requirements()),
            check_openmp(),
            check_cores(n_cores),
            check_memory(memory),
            check_workspace(workspace),
            check_disk(disk_free),
        ),
    )


def release(text: str) -> Release:
    """Return the numeric head of a version, for comparison.

    >>> release("3.1.6rc1") < release("3.10")
    True
    >>> release("2026.11.1")
    (2026, 11, 1)
    """
    head = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(number) for number in head.group().split(".")) if head else ()


def parse_requirement(line: str) -> Requirement:
    """Read a line of package metadata.

    >>> parse_requirement("uvicorn[standard]>=0.30; extra == 'serve'")
    Requirement(name='uvicorn', minimum='0.30', extra='serve')
    >>> parse_requirement("rich")
    Requirement(name='rich', minimum='', extra='')
    """
    found = _REQUIREMENT.match(line)
    if found is None:
        raise ValueError(f"not a requirement: {line!r}")
    extra = _EXTRA.search(line)
    return Requirement(found.group(1), found.group(2) or "", extra.group(1) if extra else "")


def requirements() -> tuple[Requirement, ...]:
    """Return what the installed cpz declares, or nothing where it runs uninstalled."""
    try:
        return tuple(parse_requirement(line) for line in requires(DISTRIBUTION) or ())
    except PackageNotFoundError:
        return ()


def installed(name: str) -> str | None:
    """Return a package's installed version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def parse_meminfo(text: str) -> int | None:
    """Return MemTotal of /proc/meminfo in bytes, or None where the line is missing.

    >>> parse_meminfo("MemTotal:        2048 kB")
    2097152
    """
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def parse_cpu_quota(text: str) -> int | None:
    """Return the cores that a control group's cpu.max allows, rounded up; None for no limit.

    >>> parse_cpu_quota("150000 100000")
    2
    >>> parse_cpu_quota("max 100000") is None
    True
    """
    found = re.match(r"(\d+) ([1-9]\d*)", text)
    return max(1, math.ceil(int(found.group(1)) / int(found.group(2)))) if found else None


def parse_memory_limit(text: str) -> int | None:
    """Return a control group's memory.max in bytes; None for no limit ("max")."""
    return int(text) if text.strip().isdigit() else None


def usable_cores() -> int:
    """Return the cores that affinity and the container's quota leave to this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = parse_cpu_quota(_read(_CGROUP / "cpu.max"))
    return cores if quota is None else min(cores, quota)


def usable_memory_bytes() -> int | None:
    """Return the machine's memory or the container's limit, whichever is less; None if unknown."""
    known = [parse_meminfo(_read(_MEMINFO)), parse_memory_limit(_read(_CGROUP / "memory.max"))]
    limits = [limit for limit in known if limit is not None]
    return min(limits) if limits else _memory_by_sysconf()


def existing_ancestor(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that exists."""
    absolute = path.absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.exists())


def check_python(running: Release) -> Check:
    """Check the Python version against what cpz is tested on."""
    fit = PYTHON_FROM <= running[:2] < PYTHON_BELOW
    return Check(
        "python",
        "ok" if fit else "failed",
        ".".join(map(str, running)),
        "3.11 to 3.13",
        "" if fit else "make the environment again with Python 3.11, 3.12 or 3.13",
    )


def check_package(wanted: Requirement, found: str | None) -> Check:
    """Check one dependency; one that belongs to an extra may be missing, but not too old."""
    id = f"package:{wanted.name}"
    expected = f">= {wanted.minimum}" if wanted.minimum else "any version"
    fix = install_command(wanted.extra)
    if found is None and wanted.extra:
        return Check(id, "ok", "not installed", f"{expected} for the extra {wanted.extra!r} only")
    if found is None:
        return Check(id, "failed", "not installed", expected, fix)
    if release(found) < release(wanted.minimum):
        return Check(id, "failed", found, expected, fix)
    return Check(id, "ok", found, expected)


def check_openmp() -> Check:
    """Check the OpenMP runtime: LightGBM's Linux wheel takes it from the system."""
    if sys.platform != "linux" or loads("libgomp.so.1"):
        found = "present" if sys.platform == "linux" else "not looked for on this system"
        return Check("openmp", "ok", found, "present")
    return Check("openmp", "failed", "no libgomp.so.1", "present", "apt-get install libgomp1")


def check_cores(n_cores: int) -> Check:
    """Check the number of cores; one works, only slower."""
    if n_cores > 1:
        return Check("cores", "ok", str(n_cores), "2 or more")
    return Check("cores", "warning", str(n_cores), "2 or more", "expect twice the stated times")


def check_memory(memory_bytes: int | None) -> Check:
    """Check the memory that this process may use."""
    expected = f"{_gib(MEMORY_WANTED_BYTES)} or more"
    if memory_bytes is None:
        return Check("memory", "warning", "unknown", expected, "watch it on large runs")
    if memory_bytes >= MEMORY_WANTED_BYTES:
        return Check("memory", "ok", _gib(memory_bytes), expected)
    fix = "simulate fewer --sessions, or give the container more memory"
    return Check("memory", "warning", _gib(memory_bytes), expected, fix)


def check_workspace(workspace: Path) -> Check:
    """Check that the workspace, or the folder it would be made in, can be written to."""
    folder = existing_ancestor(workspace)
    expected = "a folder you can write to"
    fix = "point --workspace or CPZ_WORKSPACE at a folder you can write to"
    if not folder.is_dir():
        return Check("workspace", "failed", f"{folder} is a file", expected, fix)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("workspace", "failed", f"{folder} is not writable", expected, fix)
    state = "writable" if folder == workspace.absolute() else "not there yet; can be made"
    return Check("workspace", "ok", f"{workspace}: {state}", expected)


def check_disk(free_bytes: int) -> Check:
    """Check the free space where the workspace is or would be."""
    expected = f"{_gib(DISK_WANTED_BYTES)} or more free"
    if free_bytes >= DISK_WANTED_BYTES:
        return Check("disk", "ok", f"{_gib(free_bytes)} free", expected)
    fix = "free some space, or point --workspace at another disk"
    return Check("disk", "warning", f"{_gib(free_bytes)} free", expected, fix)


def loads(library: str) -> bool:
    """Return whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _memory_by_sysconf() -> int | None:
    # macOS has no /proc; POSIX names are missing on some systems
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / GIB:.1f} GiB"
