"""Which context a request may bring, checked once: the names, and the types of each column."""

from collections.abc import Iterable, Mapping, Sequence

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

#: What JSON may hold for a kind. Its decoder lets through finite numbers and 64-bit integers only.
_TYPES: dict[str, frozenset[type]] = {
    "text": frozenset((str, type(None))),
    "texts": frozenset((list, type(None))),
    "truth value": frozenset((bool, type(None))),
    "number": frozenset((int, float, bool, type(None))),
    "whole number": frozenset((int, type(None))),
    "time": frozenset((int, type(None))),
}

#: The difference of two times must be an int64 of microseconds, online and offline.
_TIME_LIMITS = (-(2**62), 2**62)


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
        self._session_types = {name: _TYPES[kind] for name, kind in self._session.items()}
        self._limits = {name: bounds for name, bounds in _limits(SESSIONS) if name in self._session}
        #: Every imported column as missing, to put a request's values over.
        self.nothing: dict[str, Cell] = dict.fromkeys(self.imported)

    def session(self, given: Mapping[str, Cell]) -> Mapping[str, Cell]:
        """Return the session columns of a request, or raise `RequestError`."""
        types = self._session_types
        for name, value in given.items():
            if type(value) not in types.get(name, ()):
                if name not in types:
                    raise _unknown("context", name, types)
                raise _unfit("context", name, value, self._session[name])
        for name, (smallest, largest) in self._limits.items():
            found = given.get(name)
            if isinstance(found, int) and not smallest <= found <= largest:
                raise _outside("context", name, found, (smallest, largest))
        return given

    def shopper(self, given: Mapping[str, Cell]) -> dict[str, Cell]:
        """Return the shopper columns of a request under their names in the table."""
        kinds = self._shopper
        columns: dict[str, Cell] = {}
        for name, value in given.items():
            if name not in kinds:
                raise _unknown("shopper", name, kinds)
            kind = kinds[name]
            if type(value) not in _TYPES[kind]:
                raise _unfit("shopper", name, value, kind)
            if kind == "time" and isinstance(value, int) and abs(value) > _TIME_LIMITS[1]:
                raise _outside("shopper", name, value, _TIME_LIMITS)
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


def _limits(schema: pa.Schema) -> Iterable[tuple[str, tuple[int, int]]]:
    """Yield what the whole-number columns hold that are narrower than JSON's 64 bits."""
    for field in schema:
        if pa.types.is_integer(field.type) and field.type.bit_width < 64:
            half = 2 ** (field.type.bit_width - 1)
            yield field.name, (-half, half - 1)


def _outside(where: str, name: str, value: int, limits: tuple[int, int]) -> RequestError:
    return RequestError(f"{where}.{name}: {value}; expected {limits[0]} to {limits[1]}")


def _unfit(where: str, name: str, value: Cell, kind: str) -> RequestError:
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    return RequestError(f"{where}.{name}: expected a {kind}, got {shown}")


def _unknown(where: str, name: str, known: Iterable[str]) -> RequestError:
    if name.removesuffix(_TIME_SUFFIX) in (*OUTCOMES, *SENSITIVE):
        return RequestError(
            f"{where}.{name}: an outcome or a sensitive column, which no model reads",
            hint="leave it out",
        )
    return RequestError(f"{where}.{name}: not a column that is known", hint=nearest(name, known))
