"""What a verb is given, a file, a frame or plain values, as what the rooms below read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cpz.data.errors import UsageError
from cpz.ingest.experiments.metrics_file import Experiment, experiment_of, load_experiment
from cpz.ingest.logs.frames import Frame
from cpz.ingest.logs.mapping import (
    DecisionMapping,
    EventMapping,
    SessionMapping,
    load_mapping,
    mapping_of,
)
from cpz.ingest.logs.mapping import Mapping as LogMapping

#: What messages call rows that come from no file.
FRAME = Path("frame")

MappingLike = str | Path | Mapping[str, Any] | LogMapping
ExperimentLike = str | Path | Mapping[str, Any] | Experiment
Rows = str | Path | Frame


def file_of(rows: Rows) -> Path | None:
    """Return the file, or None where the rows are a frame."""
    return Path(rows) if isinstance(rows, str | Path) else None


def mapping_from(given: MappingLike) -> LogMapping:
    """Return a mapping from a TOML file, from its keys, or as it is."""
    if isinstance(given, DecisionMapping | SessionMapping | EventMapping):
        return given
    if isinstance(given, str | Path):
        return load_mapping(Path(given))
    if isinstance(given, Mapping):
        return mapping_of(dict(given), "map")
    raise UsageError(
        f"map: expected a TOML file or its keys as a dict, got {type(given).__name__}",
        hint="see docs/foreign-logs.md for the keys",
    )


def experiment_from(given: ExperimentLike) -> tuple[Experiment, str]:
    """Return an experiment's columns and metrics, and what messages call them."""
    if isinstance(given, Experiment):
        return given, "metrics"
    if isinstance(given, str | Path):
        return load_experiment(Path(given)), str(given)
    if isinstance(given, Mapping):
        return experiment_of(given, "metrics"), "metrics"
    raise UsageError(
        f"metrics: expected a TOML file or its keys as a dict, got {type(given).__name__}",
        hint="see docs/commands/ab-analyze.md for the keys",
    )
