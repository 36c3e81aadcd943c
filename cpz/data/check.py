"""Validation of a dataset on disk: its files, its schemas, its rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cpz.data.check_rules import RULES
from cpz.data.dataset import Dataset, file_hash, part_files, read_parts
from cpz.data.findings import Finding, Status
from cpz.data.tables import SCHEMAS

_IDS = ("event_id", "session_id", "shopper_id", "decision_id")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        dataset: the dataset's name.
        rows: rows by table, as the manifest states them.
        findings: red ones first, then by table in schema order.
    """

    dataset: str
    rows: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """Return the worst status of all findings; green if there are none."""
        if any(finding.status == Status.RED for finding in self.findings):
            return Status.RED
        return Status.AMBER if self.findings else Status.GREEN


def check_dataset(dataset: Dataset) -> CheckReport:
    """Check a dataset; problems are findings, not exceptions.

    Every part must be there with the size, hash and rows of the manifest, and with the canonical
    types. Then the rules of `check_rules` look at the rows themselves; a table with a broken part
    is not read. The sealed truth is hashed like the rest, but never opened.
    """
    findings: list[Finding] = []
    frames: dict[str, pl.DataFrame] = {}
    for table in dataset.manifest.tables:
        found = list(_check_files(dataset, table))
        if table != "truth" and not found:
            found += _check_schemas(dataset, table)
            if not any(finding.status == Status.RED for finding in found):
                frames[table] = _read(dataset, table)
        findings += found
    for rule in RULES:
        findings += rule(frames, dataset)
    order = {table: number for number, table in enumerate(SCHEMAS)}
    findings.sort(key=lambda finding: (finding.status != Status.RED, order[finding.table]))
    rows = {table: dataset.manifest.rows(table) for table in dataset.manifest.tables}
    return CheckReport(dataset.name, rows, tuple(findings))


def _read(dataset: Dataset, table: str) -> pl.DataFrame:
    frame = read_parts(dataset, table, part_files(dataset, table), None)
    lists = pl.selectors.by_dtype(pl.List(pl.Categorical))
    return frame.with_columns(
        pl.selectors.categorical().cast(pl.String), lists.cast(pl.List(pl.String))
    )


def _check_files(dataset: Dataset, table: str) -> Iterator[Finding]:
    for part in dataset.manifest.tables[table]:
        path = dataset.path / part.path
        if not path.is_file():
            problem = "is missing"
        elif path.stat().st_size != part.bytes:
            problem = f"has {path.stat().st_size} bytes, the manifest says {part.bytes}"
        elif file_hash(path) != part.sha256:
            problem = "has another content than the manifest says"
        else:
            continue
        yield Finding(table, "", "file", Status.RED, 1, None, f"{part.path} {problem}")


def _check_schemas(dataset: Dataset, table: str) -> Iterator[Finding]:
    """Compare the first part with the canonical schema, and every other part with the first."""
    first: pa.Schema | None = None
    for part in dataset.manifest.tables[table]:
        try:
            metadata = pq.read_metadata(dataset.path / part.path)
        except (pa.ArrowException, OSError) as error:
            message = f"{part.path} is no readable Parquet file ({error})"
            yield Finding(table, "", "file", Status.RED, 1, None, message)
            return
        if metadata.num_rows != part.rows:
            message = f"{part.path} has {metadata.num_rows} rows, the manifest says {part.rows}"
            yield Finding(table, "", "row count", Status.RED, 1, None, message)
        schema = metadata.schema.to_arrow_schema()
        if first is None:
            first = schema
            yield from _compare(dataset, table, schema)
        elif _types(schema) != _types(first):
            message = f"{part.path} has other columns or types than the first part"
            yield Finding(table, "", "schema", Status.RED, 1, None, message)


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in schema}


def _compare(dataset: Dataset, table: str, schema: pa.Schema) -> Iterator[Finding]:
    canonical = SCHEMAS[table]
    found = _types(schema)
    for name, kind in found.items():
        if name not in canonical.names:
            if name not in dataset.context(table):
                message = f"column {name!r} is neither canonical nor listed as context"
                yield Finding(table, name, "schema", Status.RED, 1, None, message)
            continue
        allowed = [canonical.field(name).type]
        if name in _IDS and not dataset.is_simulated:
            allowed.append(pa.string())
        if kind not in allowed:
            message = f"expected {allowed[0]}, got {kind}"
            yield Finding(table, name, "schema", Status.RED, 1, None, message)
    expected = (*dataset.context(table), *(canonical.names if dataset.is_simulated else ()))
    for name in expected:
        if name not in found:
            message = "the column is missing"
            yield Finding(table, name, "schema", Status.RED, 1, None, message)
