"""A frame as a flat log: its columns named by keyword, or by a mapping as for files."""

from dataclasses import asdict, dataclass
from pathlib import Path

from cpz.api.sources import FRAME, MappingLike, mapping_from
from cpz.data.errors import UsageError
from cpz.ingest.logs.decision_rows import decision_rows
from cpz.ingest.logs.flat_log import FlatLog, flat_log
from cpz.ingest.logs.frames import rows_of
from cpz.ingest.logs.mapping import DecisionMapping, Mapping, mapping_of


@dataclass(frozen=True, slots=True)
class FlatColumns:
    """The columns of a frame, by their names in it, and the catalogue of its options."""

    action: str | None = None
    reward: str | None = None
    propensity: str | None = None
    position: str | None = None
    unit: str | None = None
    context: tuple[str, ...] = ()
    options: tuple[str | int, ...] = ()

    @property
    def named(self) -> dict[str, object]:
        """Return what was given."""
        return {name: value for name, value in asdict(self).items() if value}

    def require_none_but_reward(self, map: MappingLike | None) -> None:
        """Raise `UsageError` where columns are named for a dataset, whose columns have names."""
        given = [*(self.named.keys() - {"reward"}), *([] if map is None else ["map"])]
        if given:
            raise UsageError(
                f"{sorted(given)[0]}= belongs to a frame, and a dataset is evaluated",
                hint="drop it: a dataset's columns have their names",
            )


def flat_log_of(
    frame: object, columns: FlatColumns, placement: str | None, map: MappingLike | None
) -> FlatLog:
    """Read the rows of a frame strictly: one bad row refuses all.

    Args:
        frame: see `cpz.ingest.logs.frames.to_polars`.
        columns: the columns' names, where no mapping gives them.
        placement: the placement's name, where no mapping gives it.
        map: a mapping of kind "decisions", as a file or its keys.

    Raises:
        UsageError: columns are named twice or not at all, or the mapping is of another kind.
        MissingColumnError: a named column is not in the frame; the nearest is named.
        DataError: rows that break a rule, each problem with its count and first row.
    """
    if isinstance(frame, str | Path):
        raise UsageError(
            f"data: expected a dataset or a frame, got the text {str(frame)!r}",
            hint="open a dataset with cpz.load(name), read a log with cpz.read_log(file, map=...)",
        )
    mapping = _mapping(columns, placement) if map is None else mapping_from(map)
    if map is not None and (columns.named or placement is not None):
        name = next(iter(columns.named), "placement")
        raise UsageError(
            f"{name}= and map= both say what the columns mean", hint="give one of them"
        )
    if not isinstance(mapping, DecisionMapping):
        raise UsageError(
            f'{FRAME}: evaluation needs a mapping of kind "decisions"',
            hint="write the rows to a file, import it with cpz.read_log, evaluate the dataset",
        )
    return flat_log(decision_rows(rows_of(frame, FRAME), mapping, FRAME), mapping, FRAME)


def _mapping(columns: FlatColumns, placement: str | None) -> Mapping:
    named = columns.named
    missing = [name for name in ("action", "reward") if name not in named]
    if missing:
        raise UsageError(
            f"{FRAME}: which column holds the {missing[0]} is not said",
            hint=f'name it: {missing[0]}="..."; or give a mapping: map=...',
        )
    options = named.pop("options", ())
    document: dict[str, object] = {"kind": "decisions", "columns": named, "options": options}
    if placement is not None:
        document["placement"] = placement
    return mapping_of(document, str(FRAME))
