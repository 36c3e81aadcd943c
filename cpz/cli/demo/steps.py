"""What the demo does after the evaluation: an experiment, a canary, a load check, one index page.

Imports heavy modules, so `cpz demo` imports this one late.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpz.cli.ab.arguments import ExperimentArguments
from cpz.cli.ab.rehearse import run_experiment
from cpz.cli.canary.arguments import CanaryArguments
from cpz.cli.canary.runs import run_simulate as run_canary
from cpz.cli.serve.arguments import LoadArguments
from cpz.cli.serve.load_runs import run_load_test
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace, write_atomically
from cpz.report.html.render import render
from cpz.report.results.ab import RehearsalResult
from cpz.report.results.canary import CanaryResult
from cpz.report.values import Link, Links, Note, Report, Section, Status
from cpz.serving.load.results import LoadResult

EXPERIMENT_SESSIONS = 20_000
CANARY_SESSIONS = 40_000
#: Well below what one worker serves: the check is about latency, not about the limit.
LOAD_RATE_PER_S = 300.0
LOAD_S = 3.0
_READY = "serving on "


def experiment(name: str, seed: int, jobs: int, root: Path) -> tuple[Outcome, RehearsalResult]:
    """Rehearse the learned payment policy against popularity."""
    arguments = ExperimentArguments(
        control="popularity",
        treatment=f"{name}:greedy",
        placement="payment",
        split="50/50",
        scenario="baseline",
        overrides=(),
        sessions=EXPERIMENT_SESSIONS,
        seed=seed + 1,
        jobs=jobs,
        alpha=0.05,
    )
    return run_experiment(arguments, root, None)


def canary(seed: int, jobs: int, root: Path) -> tuple[Outcome, CanaryResult]:
    """Watch a canary that loses a tenth of its conversions."""
    arguments = CanaryArguments(
        baseline="popularity",
        canary="popularity",
        placement="payment",
        ramp="5,25,50,100",
        hours_per_step=24,
        inject="conversion=-10%",
        allow=None,
        scenario="baseline",
        overrides=(),
        sessions=CANARY_SESSIONS,
        seed=seed + 2,
    )
    return run_canary(arguments, root, jobs, lambda _: None)


def load(name: str, seed: int, root: Path) -> tuple[Outcome, LoadResult]:
    """Serve the model on a free port of this machine and load it with the dataset's visits.

    Raises:
        UsageError: the packages of the extra `serve` are not installed.
    """
    with _server(name, root) as url:
        arguments = LoadArguments(
            url=url,
            rate=LOAD_RATE_PER_S,
            closed=None,
            duration=LOAD_S,
            visits=name,
            visits_limit=2_000,
            placement=None,
            connections=16,
            timeout_ms=2_000,
            fail_on=("n_errors>0",),
            api_key_file=None,
            allow_remote=False,
            seed=seed,
        )
        return run_load_test(arguments, root, None)


@contextmanager
def _server(name: str, root: Path) -> Iterator[str]:
    words = ["serve", "--model", f"{name}@champion", "--port", "0", "--log", name]
    code = "from cpz.cli.app import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--workspace", str(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield _url(process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _url(process: "subprocess.Popen[str]") -> str:
    said: list[str] = []
    for line in process.stderr or ():
        if line.startswith(_READY):
            return line.removeprefix(_READY).split()[0]
        said.append(line.strip())
    raise UsageError(f"the server did not start: {' '.join(said) or 'it said nothing'}")


def index_page(root: Path, outputs: tuple[Output, ...]) -> Output:
    """Write one page that links the reports of a run."""
    workspace = Workspace(root)
    folder = workspace.ensure(root / "runs")
    reports = [Path(output.path) for output in outputs if output.kind == "report"]
    links = tuple(
        Link(report.parent.name.rsplit("-", 1)[0], _relative(report, folder), NOTES[kind])
        for report in reports
        if (kind := report.parent.name.rsplit("-", 1)[0]) in NOTES
    )
    page = Report(
        title="The demo's reports",
        subtitle="Simulated shoppers: every number here can be made again with one command.",
        summary=(),
        trust=(Note(Status.INFO, "Each report says how far its numbers can be trusted."),),
        sections=(Section("reports", "Reports", "", (Links(links),)),),
        command=command_line(),
        config_toml="",
    )
    path = folder / "index.html"
    write_atomically(path, render(page).encode())
    return Output("index", str(path))


def _relative(report: Path, folder: Path) -> str:
    return report.resolve().relative_to(folder.resolve()).as_posix()


#: By the command that a run's folder is named after.
NOTES = {
    "simulate": "the simulated checkout: funnel, hours of the week, groups, what was logged",
    "evaluate": "what the learned policies are worth offline, next to the truth",
    "ab": "a rehearsed experiment: the learned payment policy against popularity",
    "canary": "a canary with an injected loss, monitored hour by hour",
    "load": "latency of the scoring server, from the intended send time",
}
