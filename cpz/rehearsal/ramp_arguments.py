"""The small languages of `cpz canary simulate`: ramps, injected harm and allowed margins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from cpz.data.errors import UsageError, nearest

_ITEM = re.compile(r"^\s*(?P<name>\w+)\s*=\s*(?P<value>[+-]?\d+(\.\d+)?)\s*(?P<percent>%?)\s*$")

#: Which numbers are shares, written with a percent sign, and which are in the metric's own unit.
SHARES = ("conversion", "margin", "error_rate")
NAMES = (*SHARES, "latency_ms")


@dataclass(frozen=True, slots=True)
class Injection:
    """Harm done to the canary's outcomes after the world has run.

    Attributes:
        conversion: share of its purchases that are undone, as a negative number.
        margin: relative change of the margin of its purchases.
        latency_ms: added to the latency of every session.
        error_rate: probability of a further error in a session, 0.01 for one percentage point.
    """

    conversion: float = 0.0
    margin: float = 0.0
    latency_ms: float = 0.0
    error_rate: float = 0.0


def parse_ramp(text: str) -> tuple[float, ...]:
    """Read a ramp's shares of shoppers.

    Raises:
        UsageError: not ascending percentages in (0, 100].

    >>> parse_ramp("1,50,100")
    (0.01, 0.5, 1.0)
    """
    try:
        shares = tuple(float(part.strip().removesuffix("%")) / 100 for part in text.split(","))
    except ValueError as error:
        raise _bad_ramp(text) from error
    ascending = all(a < b for a, b in pairwise(shares))
    if not ascending or not shares[0] > 0 or not shares[-1] <= 1:
        raise _bad_ramp(text)
    if shares[0] == 1:
        raise UsageError(
            f"--ramp {text!r}: at 100 there is no baseline left to compare with",
            hint="begin below 100",
        )
    return shares


def _bad_ramp(text: str) -> UsageError:
    return UsageError(
        f"--ramp {text!r}: expected ascending percentages above 0 and up to 100",
        hint="for example 1,5,25,50,100",
    )


def parse_injection(text: str | None) -> Injection:
    """Read `conversion=-5%,latency_ms=+200,error_rate=+1%`.

    Raises:
        UsageError: an unknown name, no number, a missing or needless %, or out of range.

    >>> parse_injection("conversion=-5%,latency_ms=+200").latency_ms
    200.0
    """
    values = _values(text, "--inject")
    found = replace(Injection(), **values)
    ranges = {
        "conversion": (-1.0, 0.0, "purchases can be undone, not invented: -100% to 0%"),
        "margin": (-10.0, 10.0, "-1000% to +1000%"),
        "latency_ms": (0.0, 1e6, "0 to 1000000 ms more"),
        "error_rate": (0.0, 1.0, "0% to 100% more"),
    }
    for name, value in values.items():
        low, high, expected = ranges[name]
        if not low <= value <= high:
            raise UsageError(f"--inject {name}: expected {expected}, got {value:g}")
    return found


def parse_allowed(text: str | None) -> Mapping[str, float]:
    """Read non-inferiority margins, `conversion=3%,latency_ms=50`, all above 0.

    Raises:
        UsageError: as `parse_injection`, or a margin that is not above 0.
    """
    values = _values(text, "--allow")
    for name, value in values.items():
        if value <= 0:
            raise UsageError(f"--allow {name}: expected a size above 0, got {value:g}")
    return values


def _values(text: str | None, option: str) -> Mapping[str, float]:
    values: dict[str, float] = {}
    for item in (text or "").split(",") if text else ():
        match = _ITEM.match(item)
        if match is None:
            raise UsageError(
                f"{option}: expected name=number, got {item!r}",
                hint="for example conversion=-5%,latency_ms=+200,error_rate=+1%",
            )
        name = match["name"]
        if name not in NAMES:
            raise UsageError(f"{option}: unknown metric {name!r}", hint=nearest(name, NAMES))
        if name in values:
            raise UsageError(f"{option}: {name} is given twice")
        if bool(match["percent"]) is not (name in SHARES):
            wanted = "a percent sign" if name in SHARES else "milliseconds, no percent sign"
            raise UsageError(f"{option} {name}: expected {wanted}, got {item.strip()!r}")
        values[name] = float(match["value"]) / (100.0 if name in SHARES else 1.0)
    return values
