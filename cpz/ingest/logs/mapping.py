"""The mapping file: which columns of a foreign log mean what. One TOML file, three kinds."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError
from cpz.data.toml_files import read_toml
from cpz.ingest.logs.time_formats import ISO, compile_format

OptionList = tuple[str | int, ...]
Names = tuple[str, ...]
Decimals = Annotated[int, Meta(ge=0, le=4)]
Chance = float | str

#: What may be one value for all rows instead of a column.
CONSTANTS = ("propensity", "placement", "converted", "currency")


class DecisionColumns(Struct, frozen=True, forbid_unknown_fields=True):
    """Column names of a log in which one row is one choice."""

    action: str
    reward: str
    decision: str | None = None
    propensity: str | None = None
    position: str | None = None
    decided_at: str | None = None
    unit: str | None = None
    session: str | None = None
    placement: str | None = None
    eligible: str | None = None
    clicked: str | None = None
    converted: str | None = None
    policy: str | None = None
    context: Names = ()


class SessionColumns(Struct, frozen=True, forbid_unknown_fields=True):
    """Column names of a table in which one row is one checkout session.

    A `_minor` column holds whole minor units (cents); the name without `_minor` holds a decimal
    amount, which the import multiplies by 10 ** minor_units.
    """

    converted: str | None = None
    session: str | None = None
    shopper: str | None = None
    started_at: str | None = None
    device: str | None = None
    country: str | None = None
    currency: str | None = None
    cart_value_minor: str | None = None
    cart_value: str | None = None
    n_items: str | None = None
    top_category: str | None = None
    is_digital: str | None = None
    promotion: str | None = None
    payment_method: str | None = None
    shipping_method: str | None = None
    revenue_minor: str | None = None
    revenue: str | None = None
    discount_minor: str | None = None
    discount: str | None = None
    fees_minor: str | None = None
    fees: str | None = None
    shipping_cost_minor: str | None = None
    shipping_cost: str | None = None
    margin_minor: str | None = None
    margin: str | None = None
    duration_s: str | None = None
    csat: str | None = None
    context: Names = ()


class EventColumns(Struct, frozen=True, forbid_unknown_fields=True):
    """Column names of a log in which one row is something that happened."""

    shopper: str
    occurred_at: str
    type: str
    event: str | None = None
    session: str | None = None
    received_at: str | None = None
    step: str | None = None
    option: str | None = None
    currency: str | None = None
    amount_minor: str | None = None
    amount: str | None = None
    context: Names = ()


class SessionRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How events become sessions, and which event types mean a purchase."""

    gap_minutes: Annotated[float, Meta(gt=0)] = 30.0
    purchase: Names = ()


class PlacementRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How events become the decisions of a placement.

    Attributes:
        shown: the event type that shows it.
        chosen: the event types that choose, each with its option; or a list of event types whose
            option stands in a column.
        option: that column; by default the one mapped as `option`.
    """

    shown: str
    chosen: dict[str, str] | Names
    option: str | None = None


class _Format(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """How values are written; the same keys for every kind."""

    separator: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    timezone: str = "UTC"
    time_format: str | Names | None = None
    time_unit: str | None = None
    minor_units: Decimals | dict[str, Decimals] | None = None
    rounding: Literal["half_even", "half_up", "down"] | None = None
    decimal: Literal[".", ","] = "."
    true_values: Names | None = None
    false_values: Names | None = None

    @property
    def time_formats(self) -> Names:
        """Return the formats of times in the order in which they are tried; () by default."""
        if isinstance(self.time_format, str):
            return (self.time_format,)
        return self.time_format or ()


class DecisionMapping(_Format, frozen=True, kw_only=True, tag="decisions"):
    """A log of choices.

    Attributes:
        columns: the column names.
        placement: the placement of every row where no column holds it.
        propensity: the known probability of every row's action, or of each action: a number or a
            fraction such as "1/3".
        options: the option catalogue, in the order of arrays; by placement where several.
        positions: the positions, in the order of arrays with a column per position.
        eligible_separator: what separates the options in a text column `eligible`.
    """

    columns: DecisionColumns
    placement: str = "default"
    propensity: Chance | dict[str, Chance] | None = None
    options: OptionList | dict[str, OptionList] = ()
    positions: OptionList = ()
    eligible_separator: Annotated[str, Meta(min_length=1)] = "|"

    def catalogue(self, placement: str) -> tuple[str, ...]:
        """Return the declared options of a placement as text; () where none are declared."""
        listed = self.options.get(placement, ()) if isinstance(self.options, dict) else self.options
        return tuple(str(option) for option in listed)


class SessionMapping(_Format, frozen=True, kw_only=True, tag="sessions"):
    """A table of sessions.

    Attributes:
        columns: the column names.
        converted: the outcome of every row where no column holds it, as of a table of orders.
        currency: the currency of every row where no column holds it.
        lines: columns of the file that agree in all lines of one session, such as an order's
            number; () where each row is a session.
        summed: context columns that are summed over lines, as amounts and n_items are.
    """

    columns: SessionColumns
    converted: bool | None = None
    currency: str | None = None
    lines: Names = ()
    summed: Names = ()


class EventMapping(_Format, frozen=True, kw_only=True, tag="events"):
    """A log of events, from which sessions and decisions are derived.

    Attributes:
        columns: the column names.
        types: new names for event types, for example {payment_done = "purchased"}; applied last,
            so that `sessions` and `placements` use the names of the file.
        sessions: how events become sessions.
        placements: how events become decisions, by placement.
        currency: the currency of every amount where no column holds it.
    """

    columns: EventColumns
    currency: str | None = None
    types: dict[str, str] = {}
    sessions: SessionRule = SessionRule()
    placements: dict[str, PlacementRule] = {}


Mapping = DecisionMapping | SessionMapping | EventMapping


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: not TOML, an unknown key (the nearest known one is named), a missing key, a
            wrong type, or a value out of range; the message names the key.
    """
    document = read_toml(path, "mapping file")
    return mapping_of(document, str(path))


def mapping_of(document: dict[str, Any], where: str) -> Mapping:
    """Turn plain values (a TOML document, a manifest's settings) into a mapping.

    Args:
        document: the mapping's keys and values.
        where: what messages call it, usually the file's path.

    >>> columns = {"action": "arm", "reward": "click"}
    >>> mapping_of({"kind": "decisions", "columns": columns}, "map.toml").columns.action
    'arm'
    """
    _refuse_values_among_columns(document, where)
    mapping: Mapping = convert_document(document, Mapping, where)
    _check_values(mapping, where)
    return mapping


def _refuse_values_among_columns(document: dict[str, Any], where: str) -> None:
    """Say where a constant stands that was written where a column's name is expected."""
    columns = document.get("columns")
    if not isinstance(columns, dict):
        return
    for key in CONSTANTS:
        value = columns.get(key, "")
        if isinstance(value, bool | int | float | dict):
            raise ConfigError(
                f"{where}: columns.{key}: expected the name of a column, got {value!r}",
                hint=f"put a value for all rows above [columns]: {key} = ...",
                path=where,
            )


def _check_values(mapping: Mapping, where: str) -> None:
    problem = _bad_clock(mapping) or _bad_amount(mapping) or _bad_constant(mapping)
    if not problem and isinstance(mapping, DecisionMapping):
        problem = _bad_options(mapping) or _bad_chances(mapping)
    if not problem and isinstance(mapping, EventMapping):
        problem = _bad_placements(mapping)
    if problem:
        raise ConfigError(f"{where}: {problem}", path=where)


def _bad_clock(mapping: Mapping) -> str:
    if mapping.time_unit not in (None, "s", "ms", "us", "ns"):
        return f'time_unit: expected "s", "ms", "us" or "ns", got {mapping.time_unit!r}'
    for pattern in mapping.time_formats:
        try:
            if pattern != ISO:
                compile_format(pattern)
        except ValueError as error:
            return f"time_format: {error}"
    try:
        ZoneInfo(mapping.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'timezone: expected a name such as "Europe/Berlin", got {mapping.timezone!r}'
    return ""


def _bad_amount(mapping: Mapping) -> str:
    names = msgspec.structs.asdict(mapping.columns)
    for name in names:
        plain = name.removesuffix("_minor")
        if plain != name and names[name] is not None and names[plain] is not None:
            return f"columns.{name} and columns.{plain} are two names for one amount; keep one"
    return ""


def _bad_constant(mapping: Mapping) -> str:
    for key in CONSTANTS:
        is_value = getattr(mapping, key, None) is not None
        if is_value and key != "placement" and getattr(mapping.columns, key, None) is not None:
            return f"{key} is a value of all rows and columns.{key} a column; keep one"
    if isinstance(mapping, SessionMapping) and mapping.converted is None:
        is_missing = mapping.columns.converted is None
        needed = "columns.converted: this key is required, or converted = true for all rows"
        if is_missing:
            return needed
    return _bad_lines(mapping) if isinstance(mapping, SessionMapping) else ""


def _bad_lines(mapping: SessionMapping) -> str:
    session = mapping.columns.session
    if mapping.summed and not mapping.lines:
        return "summed: it needs `lines`, the columns that agree in all lines of one session"
    if mapping.lines and session is not None and mapping.lines != (session,):
        return f'lines: where columns.session is mapped it must be lines = ["{session}"]'
    return ""


def _bad_chances(mapping: DecisionMapping) -> str:
    given = mapping.propensity
    for name, value in (given if isinstance(given, dict) else {"": given}).items():
        at = f"propensity.{name}" if name else "propensity"
        if value is not None and not 0 < chance_of(value) <= 1:
            return f'{at}: expected a number in (0, 1] or a fraction such as "1/3", got {value!r}'
    return ""


def chance_of(value: Chance) -> float:
    """Return a probability that may be written as a fraction; -1 for what is no number.

    >>> chance_of("1/4"), chance_of(0.5), chance_of("often")
    (0.25, 0.5, -1.0)
    """
    try:
        return float(Fraction(value)) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError):
        return -1.0


def _bad_options(mapping: DecisionMapping) -> str:
    listed = mapping.options
    if isinstance(listed, dict) and mapping.columns.placement is None:
        unknown = [name for name in listed if name != mapping.placement]
        if unknown:
            return f"options.{unknown[0]}: the only placement is {mapping.placement!r}"
    for placement in listed if isinstance(listed, dict) else (mapping.placement,):
        names = mapping.catalogue(placement)
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            return f"options: {twice[0]!r} is listed twice"
    return ""


def _bad_placements(mapping: EventMapping) -> str:
    if mapping.placements and not mapping.sessions.purchase:
        return 'sessions.purchase: placements need it, for example ["payment_done"]'
    for name, rule in mapping.placements.items():
        if not rule.chosen:
            return f"placements.{name}.chosen: expected at least one event type"
        in_column = rule.option is not None or mapping.columns.option is not None
        if isinstance(rule.chosen, dict) and rule.option is not None:
            return f"placements.{name}.option: chosen names the options already; make it a list"
        if not isinstance(rule.chosen, dict) and not in_column:
            return f"placements.{name}.option: expected the column that holds the option"
    return ""
