"""Which context a request may bring, checked once: the names, and the types of each column."""

import math
from collections.abc import Mapping, Sequence

import pyarrow as pa

from cpz.data.errors import DataError, nearest
from cpz.data.tables import CATEGORY, OUTCOMES, SENSITIVE, SESSIONS, SHOPPERS, TIME
from cpz.features.declarations import Feature
from cpz.features.online import Cell
from cpz.models.outcome import ModelInputs


class RequestError(DataError):
    """A request that cannot be answered; `status` is the HTTP status."""

    kind = "request"

    def __init__(self, message: str, *, hint: str = "", status: int = 422) -> None:
        super().__init__(message, hint=hint)
        self.status = status


_TIME_SUFFIX = "_us"
_MAX_WHOLE = 2**63


class ContextRules:
    """The columns a model's requests may carry.

    Args:
        features: the model's declarations.
        inputs: of every placement; columns that are no feature come from imported context.
    """

    def __init__(self, features: Sequence[Feature], inputs: Sequence[ModelInputs]) -> None:
        derived = {feature.name for feature in features}
        self._session = _kinds(SESSIONS, {*OUTCOMES, "session_id", "shopper_id", "started_at"})
        self._shopper = _kinds(SHOPPERS, {*SENSITIVE, "shopper_id"})
        self.imported: dict[str, str] = {}
        for entry in inputs:
            numbers = {name: "number" for name in entry.encoder.numbers if name not in derived}
            texts = {name: "text" for name, _ in entry.encoder.categories if name not in derived}
            self.imported |= numbers | texts
        self._session |= self.imported

    def session(self, given: Mapping[str, Cell]) -> Mapping[str, Cell]:
        """Return the session columns of a request, or raise `RequestError`."""
        kinds = self._session
        for name, value in given.items():
            if name not in kinds:
                raise _unknown("context", name, kinds)
            _check("context", name, value, kinds[name])
        return given

    def shopper(self, given: Mapping[str, Cell]) -> dict[str, Cell]:
        """Return the shopper columns of a request under their names in the table."""
        kinds = self._shopper
        columns: dict[str, Cell] = {}
        for name, value in given.items():
            if name not in kinds:
                raise _unknown("shopper", name, kinds)
            kind = kinds[name]
            _check("shopper", name, value, kind)
            columns[name.removesuffix(_TIME_SUFFIX) if kind == "time" else name] = value
        return columns


def _kinds(schema: pa.Schema, left_out: set[str]) -> dict[str, str]:
    """Return what each column of a table must hold; a time's name gains the suffix `_us`."""
    found = {}
    for field in schema:
        if field.name in left_out:
            continue
        if field.type == TIME:
            found[field.name + _TIME_SUFFIX] = "time"
        elif field.type == CATEGORY or pa.types.is_string(field.type):
            found[field.name] = "text"
        elif pa.types.is_list(field.type):
            found[field.name] = "texts"
        elif pa.types.is_boolean(field.type):
            found[field.name] = "truth value"
        else:
            found[field.name] = "whole number" if pa.types.is_integer(field.type) else "number"
    return found


def _check(where: str, name: str, value: Cell, kind: str) -> None:
    if value is None or _fits(value, kind):
        return
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    raise RequestError(f"{where}.{name}: expected a {kind}, got {shown}")


def _fits(value: Cell, kind: str) -> bool:
    match kind:
        case "text":
            return isinstance(value, str)
        case "texts":
            return isinstance(value, list)
        case "truth value":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        case _:
            if not isinstance(value, int) or isinstance(value, bool):
                return False
            return -_MAX_WHOLE <= value < _MAX_WHOLE


def _unknown(where: str, name: str, known: Mapping[str, str]) -> RequestError:
    if name.removesuffix(_TIME_SUFFIX) in (*OUTCOMES, *SENSITIVE):
        return RequestError(
            f"{where}.{name}: an outcome or a sensitive column, which no model reads",
            hint="leave it out",
        )
    return RequestError(f"{where}.{name}: not a column that is known", hint=nearest(name, known))
