"""The order of options that nobody declared, and so of the columns of an array."""

from collections.abc import Iterable
from math import isfinite


def sort_options(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels by number where all of them are numbers, else as text.

    >>> sort_options(["10.5", "9", "100"]), sort_options(["wallet", "card"])
    (('9', '10.5', '100'), ('card', 'wallet'))
    """
    names = sorted(labels)
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return tuple(names)
    if not all(map(isfinite, numbers.values())):
        return tuple(names)
    return tuple(sorted(names, key=numbers.__getitem__))


def shown_order(options: tuple[str, ...]) -> str:
    """Return a catalogue as a message shows it: whole, or its beginning.

    >>> shown_order(("card", "wallet"))
    '"card", "wallet"'
    """
    most = 20
    listed = ", ".join(f'"{name}"' for name in options[:most])
    return listed if len(options) <= most else f"{listed}, ... ({len(options)} in all)"
