"""What a figure depends on beside the code: processor, interpreter and libraries."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

_CPU_INFO = Path("/proc/cpuinfo")
_PACKAGES = ("duckdb", "lightgbm", "msgspec", "numpy", "polars", "pyarrow", "scipy", "typer")


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a suite ran.

    Attributes:
        processor: the model's name, as the system tells it.
        system: operating system and architecture.
        python: major and minor version.
        packages: versions of the libraries that do the work.
    """

    processor: str
    system: str
    python: str
    packages: dict[str, str]

    def differences(self, other: "Machine") -> tuple[str, ...]:
        """Return what differs, in words; () where figures can be compared as they stand."""
        pairs = [
            (name, getattr(self, name), getattr(other, name))
            for name in ("processor", "system", "python")
        ]
        pairs += [
            (name, self.packages.get(name, "none"), other.packages.get(name, "none"))
            for name in sorted(self.packages.keys() | other.packages.keys())
        ]
        return tuple(
            f"{name}: {there}, here {here}" for name, here, there in pairs if here != there
        )


def this_machine() -> Machine:
    """Describe this machine."""
    return Machine(
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}",
        python=".".join(platform.python_version_tuple()[:2]),
        packages={name: version(name) for name in _PACKAGES},
    )


def one_thread() -> dict[str, str]:
    """Return an environment in which every library works in one thread.

    Processor time of several threads depends on the number of cores and on how long the threads
    spin while they wait; of one thread it does not.
    """
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    fixed = dict.fromkeys(names, "1")
    return {**os.environ, **fixed, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONHASHSEED": "0"}


def _processor() -> str:
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
