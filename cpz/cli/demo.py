"""`cpz demo`: simulate, train and evaluate beside the truth, in one command."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.arguments import EvaluateArguments, SimulateArguments, TrainArguments
from cpz.cli.options import JobsOption, JsonOption, SeedOption
from cpz.cli.outcome import Outcome, finish
from cpz.cli.simulate import default_jobs, run_simulate
from cpz.cli.train import run_train

if TYPE_CHECKING:
    from cpz.cli.evaluations import Evaluated
    from cpz.cli.results import DemoResult

NAME = "demo"


def demo(
    sessions: Annotated[
        int, typer.Option("--sessions", min=1_000, help="Checkout sessions to simulate.")
    ] = 100_000,
    seed: SeedOption = 7,
    jobs: JobsOption = default_jobs(),
    workspace: Annotated[
        Path, typer.Option("--workspace", envvar="CPZ_WORKSPACE", help="Where to work.")
    ] = Path("cpz-workspace"),
    json: JsonOption = False,
) -> int:
    """Simulate, train and evaluate beside the truth; ends with a report and what to try next.

    Examples:
        cpz demo
        cpz demo --sessions 20000 --seed 1
    """
    from cpz.cli.results import DemoResult
    from cpz.cli.tables import demo_tables

    seconds: dict[str, float] = {}
    clock = time.perf_counter()
    first, simulated = run_simulate(
        SimulateArguments("baseline", (), sessions, seed, NAME, jobs), workspace
    )
    seconds["simulate"], clock = time.perf_counter() - clock, time.perf_counter()
    second, trained = run_train(TrainArguments(dataset=NAME, model=NAME, seed=seed), workspace)
    seconds["train"], clock = time.perf_counter() - clock, time.perf_counter()
    third = _evaluate(seed, workspace)
    seconds["evaluate"] = time.perf_counter() - clock
    result = DemoResult(simulated, trained, third.result, seconds)
    outcome = _outcome(result, (first, second, third.outcome), seed)
    return finish(outcome, json, lambda console: console.print(*demo_tables(result, third.unit)))


def _evaluate(seed: int, workspace: Path) -> "Evaluated":
    from cpz.cli.evaluations import run_evaluate

    arguments = EvaluateArguments(dataset=NAME, model=NAME, seed=seed, with_truth=True)
    return run_evaluate(arguments, workspace, None)


def _outcome(result: "DemoResult", steps: tuple[Outcome, ...], seed: int) -> Outcome:
    return Outcome(
        "demo",
        result,
        seed=seed,
        gates=tuple(gate for step in steps for gate in step.gates),
        warnings=tuple(warning for step in steps for warning in step.warnings),
        outputs=tuple(output for step in steps for output in step.outputs),
        next=(
            f"cpz evaluate --dataset {NAME} --model {NAME} --policy epsilon_greedy --with-truth",
            "cpz simulate --seed 1 && cpz train && cpz evaluate --with-truth",
            "cpz data import YOUR-LOG.csv --map examples/obd.toml --dataset mine",
        ),
    )
