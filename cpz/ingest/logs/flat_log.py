"""A flat decision log for off-policy evaluation: one array a column, one row a choice."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import DataError, UsageError
from cpz.data.losses import losses_of
from cpz.ingest.logs.decision_rows import (
    DecisionRows,
    catalogue,
    judge_actions,
    read_decision_rows,
)
from cpz.ingest.logs.mapping import DecisionMapping, Mapping
from cpz.ingest.logs.option_order import sort_options
from cpz.ingest.logs.repeating import repeating_columns


@dataclass(frozen=True, slots=True)
class FlatLog:
    """n choices of one placement, in the order of the file: row i is the file's row i + 1.

    Attributes:
        action: (n,) codes into `options`.
        options: the K option labels.
        reward: (n,) what the choice brought, finite.
        propensity: (n,) the logging policy's probability of the action, in (0, 1]; None where the
            mapping names no such column.
        position: (n,) codes into `positions`; None where not mapped.
        positions: the position labels, as declared, else numbers by value and texts by alphabet.
        decided_at: (n,) UTC microseconds; None where not mapped.
        unit: (n,) codes of the unit of randomisation; None where not mapped.
        context: n rows of typed context columns.
        placement: the placement's name.
        n_duplicates: rows that repeat an earlier row of the file in every column; 0 where neither
            unit nor time is mapped, since equal rows then say nothing.
        is_closed: whether the mapping declares the catalogue, so that no option can be added.
        has_declared_positions: whether the mapping lists the positions.
        ids: the columns that tell rows apart, as read and under the file's own names: decision,
            session, unit, decided_at and action, where mapped.
        key: the column of `ids` that is unique, the mapped `decision`; "" where there is none.
        eligible: n lists of the options that could be shown, null where a row does not say; None
            where not mapped.
        likely_units: where no unit is mapped, the columns that may be it, each as (n,) codes.
    """

    action: Ints
    options: tuple[str, ...]
    reward: Floats
    propensity: Floats | None
    position: Ints | None
    positions: tuple[str, ...]
    decided_at: pl.Series | None
    unit: Ints | None
    context: pl.DataFrame
    placement: str
    n_duplicates: int
    is_closed: bool
    has_declared_positions: bool = False
    ids: pl.DataFrame = field(default_factory=pl.DataFrame)
    key: str = ""
    eligible: pl.Series | None = None
    likely_units: dict[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.action)

    @property
    def n(self) -> int:
        """Return the number of rows."""
        return len(self.action)

    @property
    def n_actions(self) -> int:
        """Return K."""
        return len(self.options)

    @property
    def is_binary(self) -> bool:
        """Return whether every reward is 0 or 1."""
        return bool(np.isin(self.reward, (0.0, 1.0)).all())

    @property
    def has_integer_actions(self) -> bool:
        """Return whether the options are the integers 0 to K - 1, so that arrays index them."""
        return not self.is_closed and self.options == tuple(map(str, range(self.n_actions)))


def load_flat_log(path: Path, mapping: Mapping) -> FlatLog:
    """Read a decision log strictly: one bad row refuses the file.

    Args:
        path: a CSV, Parquet or JSON lines file.
        mapping: a mapping of kind "decisions".

    Raises:
        UsageError: the mapping is of another kind.
        MissingColumnError: a mapped column is not in the file.
        DataError: a propensity outside (0, 1], a reward that is not a finite number, a missing or
            unknown action, ...; the one message gives each problem's count and first row.
    """
    if not isinstance(mapping, DecisionMapping):
        raise UsageError(
            f'{path}: evaluation needs a mapping of kind "decisions"',
            hint="import the log with `cpz data import`, then evaluate the dataset",
            path=str(path),
        )
    return flat_log(read_decision_rows(path, mapping), mapping, path)


def flat_log(rows: DecisionRows, mapping: DecisionMapping, path: Path) -> FlatLog:
    """Turn rows into a flat log; `path` is what messages call them.

    Raises:
        DataError: one bad row refuses all, as `load_flat_log` does.
    """
    placement = _the_placement(rows, path)
    actions = rows.mapped["action"]
    declared = mapping.catalogue(placement)
    options = catalogue(actions, declared, path)
    judge_actions(rows.problems, actions, options, actions.is_not_null())
    declared_positions = tuple(map(str, mapping.positions))
    _judge_positions(rows, declared_positions)
    rows.problems.raise_if_any(path, _contrast(rows))
    position, positions = _codes(rows.mapped, "position", declared_positions)
    return FlatLog(
        action=_encode(actions, options),
        options=options,
        reward=rows.mapped["reward"].to_numpy(),
        propensity=_floats(rows.mapped, "propensity"),
        position=position,
        positions=positions,
        decided_at=_optional(rows.mapped, "decided_at"),
        unit=_codes(rows.mapped, "unit")[0],
        context=rows.context,
        placement=placement,
        n_duplicates=_count_duplicates(rows),
        is_closed=bool(declared),
        has_declared_positions=bool(declared_positions),
        ids=_ids(rows.source, mapping),
        key=_key(rows.source, mapping),
        eligible=_optional(rows.mapped, "eligible"),
        likely_units={} if mapping.columns.unit else repeating_columns(rows.source, mapping),
    )


def _contrast(rows: DecisionRows) -> str:
    """Say how the rows with a problem differ from the others: dropping them may bend the answer."""
    read = pl.concat([rows.mapped, rows.context], how="horizontal")
    losses = losses_of(read, rows.problems)
    if losses is None or not losses.differences:
        return ""
    return f"The{losses.contrast().removeprefix('the')}."


def _key(source: pl.DataFrame, mapping: DecisionMapping) -> str:
    name = mapping.columns.decision
    return name if name is not None and name in source.columns else ""


def _ids(source: pl.DataFrame, mapping: DecisionMapping) -> pl.DataFrame:
    columns = mapping.columns
    named = (columns.decision, columns.session, columns.unit, columns.decided_at, columns.action)
    # a value inside a record has no column with which another file could be compared
    kept = [name for name in named if name is not None and name in source.columns]
    return source.select(list(dict.fromkeys(kept)))


def _judge_positions(rows: DecisionRows, declared: tuple[str, ...]) -> None:
    if not declared or "position" not in rows.mapped.columns:
        return
    labels = rows.mapped["position"].cast(pl.String)
    listed = f"one of {', '.join(declared[:8])}"
    rows.problems.add(~labels.is_in(declared), "position", "not listed in `positions`", listed)


def _the_placement(rows: DecisionRows, path: Path) -> str:
    names = rows.mapped["placement"].drop_nulls().unique().sort().to_list()
    if len(names) > 1:
        raise DataError(
            f"{path}: {len(names)} placements ({', '.join(names[:5])}); must be one",
            hint="keep the rows of one placement, or import the log and evaluate the dataset",
            path=str(path),
        )
    return names[0] if names else "default"


def _encode(labels: pl.Series, options: tuple[str, ...]) -> Ints:
    codes = labels.cast(pl.String).cast(pl.Enum(options)).to_physical()
    return codes.cast(pl.Int64).to_numpy()


def _optional(frame: pl.DataFrame, name: str) -> pl.Series | None:
    return frame[name] if name in frame.columns else None


def _floats(frame: pl.DataFrame, name: str) -> Floats | None:
    return frame[name].to_numpy() if name in frame.columns else None


def _codes(
    frame: pl.DataFrame, name: str, declared: tuple[str, ...] = ()
) -> tuple[Ints | None, tuple[str, ...]]:
    """Return a column's codes and labels: declared ones, else sorted by number or by alphabet."""
    if name not in frame.columns:
        return None, ()
    if declared:
        return _encode(frame[name], declared), declared
    if name == "position" and frame[name].dtype == pl.String:
        labels = sort_options(frame[name].unique().to_list())
        return _encode(frame[name], labels), labels
    values, codes = np.unique(frame[name].to_numpy(), return_inverse=True)
    return codes.astype(np.int64), tuple(map(str, values))


def _count_duplicates(rows: DecisionRows) -> int:
    if not {"unit", "decided_at"} & set(rows.mapped.columns):
        return 0
    flat = rows.source.select(pl.exclude(pl.List, pl.Struct, pl.Array, pl.Object))
    return len(flat) - flat.hash_rows().n_unique()
