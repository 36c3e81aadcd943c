"""Values inside records: `device.category`, and lists of keys with values as Google Analytics has.

A name with dots goes down from a column: into a field of a record, or, in a list of records with
the fields `key` and `value`, to the value of a key. Where that value is a record again (one field
for each type, as in BigQuery's export of GA4), it is the first field that is given, as text.
"""

import polars as pl


def nested_column(frame: pl.DataFrame, name: str) -> pl.Series | None:
    """Return the values below a column by a dotted name; None where there is no such place.

    >>> rows = pl.DataFrame({"device": [{"category": "mobile"}, None]})
    >>> nested_column(rows, "device.category").to_list()
    ['mobile', None]
    """
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        top = ".".join(parts[:cut])
        if top in frame.columns:
            found = _below(frame[top], ".".join(parts[cut:]))
            return None if found is None else found.alias(name)
    return None


def nested_names(frame: pl.DataFrame, most: int = 1000) -> list[str]:
    """Return the dotted names that a frame offers; keys are those of its first rows."""
    names: list[str] = []
    for column in frame.get_columns():
        names += [f"{column.name}.{below}" for below in _names_below(column.head(most))]
    return names


def _names_below(values: pl.Series) -> list[str]:
    if isinstance(values.dtype, pl.Struct):
        names: list[str] = []
        for field in values.dtype.fields:
            inner = _names_below(values.struct.field(field.name))
            names += [f"{field.name}.{below}" for below in inner] or [field.name]
        return names
    if _is_keyed(values.dtype):
        keys = values.drop_nulls().explode().drop_nulls().struct.field("key")
        return keys.cast(pl.String).drop_nulls().unique().sort().to_list()
    return []


def _below(values: pl.Series, name: str) -> pl.Series | None:
    if isinstance(values.dtype, pl.Struct):
        for field in values.dtype.fields:
            if name == field.name:
                return values.struct.field(field.name)
            if name.startswith(f"{field.name}."):
                inner = values.struct.field(field.name)
                return _below(inner, name.removeprefix(f"{field.name}."))
        return None
    return _value_of(values, name) if _is_keyed(values.dtype) else None


def _is_keyed(dtype: pl.DataType) -> bool:
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return False
    return {"key", "value"} <= {field.name for field in dtype.inner.fields}


def _value_of(values: pl.Series, key: str) -> pl.Series | None:
    """Return the value of a key in each row's list, the first where it stands twice."""
    rows = pl.DataFrame({"pair": values}).with_row_index("row").drop_nulls().explode("pair")
    pairs = rows.drop_nulls().unnest("pair").filter(pl.col("key") == key)
    if pairs.is_empty():
        return None
    first = pairs.unique("row", keep="first", maintain_order=True)
    value = first["value"]
    if isinstance(value.dtype, pl.Struct):
        fields = [value.struct.field(field.name).cast(pl.String) for field in value.dtype.fields]
        value = pl.select(pl.coalesce(fields)).to_series()
    known = pl.DataFrame({"row": first["row"], "value": value})
    every = pl.DataFrame({"row": pl.int_range(len(values), dtype=pl.UInt32, eager=True)})
    return every.join(known, on="row", how="left", maintain_order="left")["value"]
