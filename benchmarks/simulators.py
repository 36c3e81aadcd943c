"""cpz and RecoGym side by side: sessions/s and events/s measured in turns, and their ratio.

Run `python benchmarks/simulators.py [--sessions N] [--users N] [--repeats R]`. RecoGym (Rohde et
al. 2018, arXiv 1808.00720) needs a NumPy and a SciPy older than cpz's, so it lives in an
environment of its own, made on the first run. Where that cannot be made the document says why and
nothing else.

Each does what it is for, in one process: RecoGym makes a log of organic views and recommendations
under its uniform agent, as a data frame in memory; cpz simulates `baseline` and writes all five
tables with exact propensities and every counterfactual to disk. A row of RecoGym's log is an
event, and an unbroken run of views or of recommendations of one user is a session. Both have
compiled or imported what they need before the clock starts.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario

SEED = 7
ENVIRONMENT = Path(__file__).parents[1] / ".venv-recogym"

#: The newest with which recogym 0.1.3.0 can be imported: it takes `rand` from SciPy, which 1.12
#: removed, and gym needs a NumPy below 2.
REQUIREMENTS = (
    "gym==0.26.2",
    "matplotlib==3.9.2",
    "numba==0.60.0",
    "numpy==1.26.4",
    "pandas==2.2.3",
    "scikit-learn==1.5.2",
    "scipy==1.11.4",
    "setuptools==75.6.0",
    "simplegeneric==0.8.1",
    "tqdm==4.67.1",
)
#: Without what it declares: PyTorch, TensorFlow and Jupyter serve its agents and notebooks alone.
RECOGYM = "recogym==0.1.3.0"

#: What runs in that environment. Its agents import PyTorch; the simulation never touches them, so
#: an empty stand-in lets the import pass without gigabytes.
CHILD = """
import json, sys, time, types, warnings
warnings.simplefilter("ignore")
class StandIn(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})
for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.sparse"):
    sys.modules[name] = StandIn(name)
import gym, recogym
environment = gym.make("reco-gym-v1", disable_env_checker=True).unwrapped
environment.init_gym({**recogym.env_1_args, "random_seed": int(sys.argv[2])})
environment.generate_logs(5)
wall, cpu = time.perf_counter(), time.process_time()
log = environment.generate_logs(int(sys.argv[1]))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
starts = (log["u"] != log["u"].shift()) | (log["z"] != log["z"].shift())
print(json.dumps({"shoppers": int(log["u"].nunique()), "sessions": int(starts.sum()),
                  "events": len(log), "wall_s": wall, "cpu_s": cpu}))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one simulation made, and what it cost."""

    shoppers: int
    sessions: int
    events: int
    wall_s: float
    cpu_s: float


def made_environment() -> Path:
    """Return the interpreter that can import RecoGym, making its environment where needed.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed.
    """
    stamp = ENVIRONMENT / "requirements.txt"
    wanted = "\n".join((*REQUIREMENTS, RECOGYM))
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", str(ENVIRONMENT)],
            [*pip, *REQUIREMENTS],
            [*pip, "--no-deps", RECOGYM],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def recogym(python: Path, users: int) -> Run:
    """Simulate users with RecoGym in its own process, on one thread as cpz."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    ran = subprocess.run(
        [str(python), "-c", CHILD, str(users), str(SEED)],
        check=True,
        capture_output=True,
        text=True,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **threads},
    )
    return Run(**json.loads(ran.stdout.splitlines()[-1]))


def cpz(sessions: int) -> Run:
    """Simulate sessions with cpz, all tables written."""
    scenario = load_scenario("baseline")
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        config = SimulationConfig("peer", sessions, SEED)
        made = simulate(Workspace(Path(folder)), scenario, config, lambda _: None)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows = {name: made.manifest.rows(name) for name in ("shoppers", "sessions", "events")}
    return Run(**rows, wall_s=wall, cpu_s=cpu)


def rates(runs: list[Run]) -> dict[str, dict[str, int]]:
    """Return medians over the runs: what was made a second, by the wall clock and by the CPU's."""
    return {
        what: {
            f"per_{clock}": round(
                statistics.median(getattr(run, what) / getattr(run, clock) for run in runs)
            )
            for clock in ("wall_s", "cpu_s")
        }
        for what in ("shoppers", "sessions", "events")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200_000, help="of cpz, a round")
    parser.add_argument("--users", type=int, default=300, help="of RecoGym, a round")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    try:
        python = made_environment()
        recogym(python, 5)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        reason = f"RecoGym cannot be installed or imported: {said[-1] if said else error}"
        print(json.dumps({"benchmark": "simulators", "skipped": reason}, indent=2))
        return
    cpz(20_000)
    pairs = [
        (cpz(options.sessions), recogym(python, options.users)) for _ in range(options.repeats)
    ]
    ours, theirs = rates([pair[0] for pair in pairs]), rates([pair[1] for pair in pairs])
    result = {
        "benchmark": "simulators",
        "repeats": options.repeats,
        "load_average": round(os.getloadavg()[0], 2),
        "cpz": {"last_round": asdict(pairs[-1][0]), "median": ours},
        "recogym": {"version": RECOGYM, "last_round": asdict(pairs[-1][1]), "median": theirs},
        "ratio": {
            what: {clock: round(ours[what][clock] / theirs[what][clock]) for clock in ours[what]}
            for what in ours
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
