"""`cpz demo`: the whole circle on simulated shoppers, in one command."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.shell.next_command import then
from cpz.cli.shell.options import DEFAULT_JOBS, JobsOption, JsonOption, SeedOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.cli.simulate.arguments import SimulateArguments
from cpz.cli.simulate.commands import run_simulate
from cpz.cli.train.arguments import TrainArguments
from cpz.cli.train.commands import run_train

if TYPE_CHECKING:
    from cpz.report.results.demo import DemoResult

T = TypeVar("T")

NAME = "demo"
_TRAINED = ("--dataset", NAME, "--model", NAME)


def demo(
    sessions: Annotated[
        int, typer.Option("--sessions", min=1_000, help="Checkout sessions to simulate.")
    ] = 100_000,
    seed: SeedOption = 7,
    jobs: JobsOption = DEFAULT_JOBS,
    workspace: Annotated[
        Path, typer.Option("--workspace", envvar="CPZ_WORKSPACE", help="Folder for data and runs.")
    ] = Path("cpz-workspace"),
    json: JsonOption = False,
) -> int:
    """Simulate, train, evaluate against the truth, rehearse an experiment and a canary, load.

    Examples:
        cpz demo
        cpz demo --sessions 20000 --seed 1
    """
    from cpz.report.content.demo import demo_blocks
    from cpz.report.format import PERCENT

    outcome, result = run_demo(sessions, seed, jobs, workspace)
    return finish(outcome, json, demo_blocks(result, PERCENT))


def run_demo(sessions: int, seed: int, jobs: int, root: Path) -> "tuple[Outcome, DemoResult]":
    """Run every step in a row, timing each."""
    from cpz.cli.demo import steps as demo_steps
    from cpz.cli.evaluate.runs import run_evaluate
    from cpz.report.results.demo import DemoResult

    clock = _Clock({})
    world = SimulateArguments("baseline", (), sessions, seed, NAME, jobs)
    simulated = clock.step("simulate", lambda: run_simulate(world, root, report=True))
    training = TrainArguments(dataset=NAME, model=NAME, seed=seed)
    trained = clock.step("train", lambda: run_train(training, root))
    asked = EvaluateArguments(dataset=NAME, model=NAME, seed=seed, with_truth=True)
    evaluated = clock.step("evaluate", lambda: run_evaluate(asked, root, None))
    rehearsed = clock.step("ab", lambda: demo_steps.experiment(NAME, seed, jobs, root))
    watched = clock.step("canary", lambda: demo_steps.canary(seed, jobs, root))
    loaded = clock.step("load", lambda: demo_steps.load(NAME, seed, root))
    steps = (simulated[0], trained[0], evaluated.outcome, rehearsed[0], watched[0], loaded[0])
    outputs = tuple(output for step in steps for output in step.outputs)
    result = DemoResult(
        simulate=simulated[1],
        train=trained[1],
        evaluate=evaluated.result,
        ab=rehearsed[1],
        canary=watched[1],
        load=loaded[1],
        seconds=clock.seconds,
    )
    # the canary is meant to be rolled back here: its gate is shown by its verdict, not as a failure
    gates = tuple(gate for step in steps if step is not watched[0] for gate in step.gates)
    outcome = Outcome(
        "demo",
        result,
        seed=seed,
        gates=gates,
        warnings=tuple(warning for step in steps for warning in step.warnings),
        outputs=(demo_steps.index_page(root, outputs),),
        next=(
            then(root, "evaluate", *_TRAINED, "--policy", "epsilon_greedy", "--with-truth"),
            then(root, "simulate", "--seed", str(seed + 1)),
            then(None, "data", "import", "--help"),
        ),
    )
    return outcome, result


class _Clock:
    """Times the steps of one run."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Run one step and keep how long it took."""
        start = time.perf_counter()
        done = work()
        self.seconds[name] = time.perf_counter() - start
        return done
