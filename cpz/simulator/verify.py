"""Make a part of a simulated dataset again and compare it with what is on disk, hash by hash."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cpz.data.dataset import Dataset, file_hash, part_files, write_parquet
from cpz.data.errors import NotFoundError, UsageError
from cpz.simulator.run import package_versions
from cpz.simulator.scenario.world import world_of
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.tables.part import simulate_range


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of making parts again.

    Attributes:
        parts: the parts that were made again, from 1.
        n_files: files compared.
        differing: paths whose content differs from what the recipe gives, or that are missing.
        versions_differ: packages whose version is not the one the dataset was made with; then
            other bytes may be honest.
    """

    parts: tuple[int, ...]
    n_files: int
    differing: tuple[str, ...]
    versions_differ: tuple[str, ...]


def verify(dataset: Dataset, part: int, progress: Callable[[int], None]) -> Verification:
    """Regenerate a part from the manifest's recipe and compare content hashes with the disk.

    Args:
        dataset: a simulated dataset.
        part: which part, from 1; 0 for all of them.
        progress: called with the sessions compared since its last call.

    Raises:
        NotFoundError: the dataset is imported, or has no such part.
        UsageError: it was made with policies of its own, which the manifest does not hold.
    """
    recipe = dataset.manifest.recipe
    if not dataset.is_simulated or recipe.seed is None:
        raise NotFoundError(
            f"dataset {dataset.name!r} is imported: nothing can regenerate it",
            hint="`cpz data check` looks at its rows",
        )
    if "policies" in recipe.settings:
        raise UsageError(
            f"dataset {dataset.name!r} was simulated with policies of its own",
            hint="run the command that made it again, and compare the manifests",
        )
    settings = recipe.settings
    world = world_of(settings["scenario_json"].encode())
    found = ranges(world, recipe.seed, settings["n_sessions"], settings["part_sessions"])
    if not 0 <= part <= len(found):
        raise NotFoundError(
            f"part {part}: dataset {dataset.name!r} has parts 1 to {len(found)}",
            hint="0 verifies all of them",
        )
    chosen = tuple(range(1, len(found) + 1)) if part == 0 else (part,)
    differing: list[str] = []
    n_files = 0
    for number in chosen:
        tables = simulate_range(world, recipe.seed, found[number - 1])
        for table, rows in tables.items():
            path = part_files(dataset, table)[number - 1]
            n_files += 1
            with TemporaryDirectory() as folder:
                again = Path(folder) / "part.parquet"
                write_parquet(again, rows)
                if not path.is_file() or file_hash(again) != file_hash(path):
                    differing.append(str(path))
        progress(found[number - 1].n_sessions)
    now = package_versions()
    changed = tuple(sorted(k for k, v in recipe.versions.items() if now.get(k) != v))
    return Verification(chosen, n_files, tuple(differing), changed)
