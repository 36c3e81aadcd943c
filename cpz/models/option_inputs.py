"""Option-level inputs: what the shown option means to this very shopper.

A tree that only sees the option's code must learn "the method you used last time" once per method.
Each input here says it in one column. To add one, add a line to `OPTION_INPUTS`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Mask


@dataclass(frozen=True, slots=True)
class OptionInput:
    """One yes-or-no fact about an option and a visit.

    Attributes:
        name: what it is called in cards and importances.
        column: the context column it reads.
        rule: "equals" when the column names one option, "member" when it lists several.
    """

    name: str
    column: str
    rule: Literal["equals", "member"]

    def values(self, context: pl.DataFrame, option: str) -> Mask:
        """Return whether the fact holds for one option at each visit, shape (n,).

        >>> context = pl.DataFrame({"last_payment_method": ["card", None]})
        >>> OptionInput("is_last_used", "last_payment_method", "equals").values(context, "card")
        array([ True, False])
        """
        column = context[self.column]
        if self.rule == "equals":
            found = column.cast(pl.String) == option
        else:
            found = column.cast(pl.List(pl.String)).list.contains(option)
        return found.fill_null(value=False).to_numpy()


OPTION_INPUTS: tuple[OptionInput, ...] = (
    OptionInput("is_last_payment_method", "last_payment_method", "equals"),
    OptionInput("is_last_shipping_method", "last_shipping_method", "equals"),
    OptionInput("is_stored_method", "stored_methods", "member"),
)


def applicable(context: pl.DataFrame, options: tuple[str, ...]) -> tuple[OptionInput, ...]:
    """Return the inputs whose column exists and holds for some option in some row."""
    return tuple(
        entry
        for entry in OPTION_INPUTS
        if entry.column in context.columns
        and any(entry.values(context, option).any() for option in options)
    )


def option_matrix(
    inputs: tuple[OptionInput, ...], context: pl.DataFrame, options: tuple[str, ...]
) -> npt.NDArray[np.bool_]:
    """Return every input for every option: shape (n, K, number of inputs)."""
    result = np.zeros((len(context), len(options), len(inputs)), dtype=np.bool_)
    for place, entry in enumerate(inputs):
        for code, option in enumerate(options):
            result[:, code, place] = entry.values(context, option)
    return result
