"""Starting the command line, beside starting Python with a few modules of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload

_VERSION = "import sys; from cpz.cli.app import run; sys.exit(run(['version', '--json']))"
#: Importing is the same kind of work: finding files and running code objects.
_CALIBRATION = (
    "import argparse, asyncio, email.message, html.parser, http.client, logging.config, sqlite3, "
    "unittest, xml.dom.minidom, zipfile"
)


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    def work() -> None:
        _start(_VERSION)

    def calibrate() -> None:
        for _ in range(sizes["calibration_starts"]):
            _start(_CALIBRATION)

    return Prepared(work, calibrate)


def _start(code: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", code], check=True, stdout=subprocess.DEVNULL)


WORKLOAD = Workload(
    name="start_up",
    what="`cpz version` as a process, from its start to its end",
    calibration="a bare Python process that imports ten modules of the standard library",
    sizes={"calibration_starts": 1},
    n_units=3,
    n_pairs=12,
    prepare=_prepare,
)
