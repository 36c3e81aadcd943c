"""Polars frames as Arrow tables of the canonical schemas, with the same bytes every time."""

import polars as pl
import pyarrow as pa

from cpz.data.tables import CATEGORY, SCHEMAS

_MAX_CATEGORIES = 32_767
_CONTEXT: dict[pl.DataType | type[pl.DataType], pa.DataType] = {
    pl.Int64: pa.int64(),
    pl.Float64: pa.float64(),
    pl.Boolean: pa.bool_(),
}


def to_arrow(table: str, frame: pl.DataFrame, context: tuple[str, ...]) -> pa.Table:
    """Return a frame as a table: canonical columns in schema order, then the context columns.

    Canonical columns take their type from the schema; ids may be text. A column that must not be
    null in simulated data is nullable here if it has a null. Dictionaries hold the sorted distinct
    values, so that they depend on the rows alone.

    Args:
        table: the table's name.
        frame: the columns; those that are neither canonical nor context are left out.
        context: names of the context columns: int64, float64, truth value, time or text.
    """
    schema = SCHEMAS[table]
    arrays: dict[pa.Field, pa.Array] = {}
    for field in schema:
        if field.name in frame.columns:
            array = _canonical(frame[field.name], field.type)
            nullable = field.nullable or array.null_count > 0
            arrays[pa.field(field.name, array.type, nullable)] = array
    for name in context:
        array = _context(frame[name])
        arrays[pa.field(name, array.type, True)] = array
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(list(arrays)))


def _canonical(values: pl.Series, kind: pa.DataType) -> pa.Array:
    if values.dtype == pl.String:
        return category(values) if kind == CATEGORY else _text(values)
    if pa.types.is_list(kind):
        return _list_of_categories(values)
    return values.to_arrow().cast(kind)


def _context(values: pl.Series) -> pa.Array:
    if values.dtype == pl.String:
        return category(values) if values.n_unique() <= _MAX_CATEGORIES else _text(values)
    if isinstance(values.dtype, pl.Datetime):
        return values.to_arrow().cast(pa.timestamp("us", tz="UTC"))
    return values.to_arrow().cast(_CONTEXT[values.dtype])


def _text(values: pl.Series) -> pa.Array:
    return pa.array(values.to_list(), type=pa.string())


def category(values: pl.Series) -> pa.DictionaryArray:
    """Return texts as int16 codes into their sorted distinct values.

    >>> category(pl.Series(["b", None, "a"])).to_pylist()
    ['b', None, 'a']
    """
    labels = sorted(values.drop_nulls().unique().to_list())
    codes = values.cast(pl.Enum(labels)).to_physical().to_arrow().cast(pa.int16())
    return pa.DictionaryArray.from_arrays(codes, pa.array(labels, type=pa.string()))


def _list_of_categories(values: pl.Series) -> pa.ListArray:
    flat = values.drop_nulls().filter(values.drop_nulls().list.len() > 0).explode()
    lengths = values.list.len().fill_null(0).cum_sum()
    offsets = pa.array([0, *lengths.to_list()], type=pa.int32())
    return pa.ListArray.from_arrays(
        offsets,
        category(flat.cast(pl.String)),
        type=pa.list_(CATEGORY),
        mask=values.is_null().to_arrow(),
    )
