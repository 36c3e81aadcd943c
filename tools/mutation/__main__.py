"""Run a sample of mutants of each folder: `python -m tools.mutation`, or `make mutants`."""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[_name] = "1"
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = True

from tools.mutation import runs, sites  # noqa: E402
from tools.mutation.score import Config, FolderScore, Survivor, read_scores, write_scores  # noqa: E402
from tools.mutation.sites import Mutant  # noqa: E402

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "mutation"


def main(arguments: Sequence[str] | None = None) -> None:
    """Try mutants folder by folder; the score file keeps the reasons it holds."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("folders", nargs="*", help="such as cpz/features; all when none is named")
    parser.add_argument("--sample", type=int, help="mutants a folder, in place of the config's")
    parser.add_argument("--seed", type=int, help="another sample than the config's, not scored")
    parser.add_argument("--file", action="append", default=[], help="only these files, not scored")
    parser.add_argument("--minutes", type=float, help="begin no mutant later, folder by folder")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    config = Config.read(HERE / "config.toml")
    runs.warm()
    for folder in given.folders or list(config.folders):
        with tempfile.TemporaryDirectory(prefix="mutation-") as place:
            score = _folder(folder, config, given, Path(place))
        _print(score)
        if not given.file and given.seed is None:
            scores = read_scores(HERE / "score.json")
            scores[folder] = score.with_reasons_of(scores.get(folder))
            write_scores(HERE / "score.json", scores)


def _folder(folder: str, config: Config, given: argparse.Namespace, place: Path) -> FolderScore:
    chosen = config.folders[folder]
    only = given.file or chosen.only
    paths = sites.files_of(ROOT, folder, only, chosen.without)
    seed = config.seed if given.seed is None else given.seed
    mutants, of = sites.sampled(ROOT, paths, given.sample or config.sample, seed)
    tree = runs.copy_of(ROOT, place / "0")
    tests = runs.test_map(tree, folder, chosen.tests)
    trees = [tree, *(runs.doubled(tree, place / str(i)) for i in range(1, given.jobs))]
    print(f"{folder}: {len(mutants)} of {of} mutants, {len(tests.seconds)} tests", flush=True)
    survivors, n, n_timeout = [], 0, 0
    for mutant, outcome in runs.tried(_until(mutants, given.minutes), tests, trees):
        n += 1
        n_timeout += outcome == "timeout"
        if outcome in ("survived", "not run"):
            survivors.append(Survivor.of(mutant, is_run=outcome == "survived"))
            print(f"  {n} {outcome} {mutant.path}:{mutant.line} {mutant.operator}", flush=True)
            print(f"      - {mutant.before}\n      + {mutant.after}", flush=True)
    return FolderScore.counted(of, n, n_timeout, survivors)


def _until(mutants: Sequence[Mutant], minutes: float | None) -> Iterator[Mutant]:
    """Yield mutants until the time is over: the first of a shuffled list are a sample too."""
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    for mutant in mutants:
        if time.monotonic() > end:
            return
        yield mutant


def _print(score: FolderScore) -> None:
    low, high = score.interval
    print(f"  killed {score.killed} of {score.n}: {score.share:.1%} ({low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # DuckDB lists its leaks when a process that never used it ends the common way
    os._exit(0)
