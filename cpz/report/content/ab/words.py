"""Sentences that experiments share."""

from collections.abc import Mapping

from cpz.ingest.experiments.kinds.metric import MINOR_UNITS

#: What the rehearsal does with its markets' currencies.
EXCHANGED = "amounts in euros at the scenario's rates"


def amounts_sentence(amounts: Mapping[str, str]) -> str:
    """Say which metrics are amounts of money, and in what; nothing where no column says it.

    >>> amounts_sentence({"revenue": "euro cents", "margin": "euro cents"})
    'In euro cents: revenue, margin.'
    """
    said = []
    for unit in dict.fromkeys(amounts.values()):
        names = ", ".join(name for name, other in amounts.items() if other == unit)
        mixed = ", whatever the currency of each row" if unit == MINOR_UNITS else ""
        said.append(f"In {unit}{mixed}: {names}.")
    return " ".join(said)
