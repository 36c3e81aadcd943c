"""Work that depends on the constants in force: done regime by regime, put together in row order."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cpz.data.arrays import Ints
from cpz.simulator.scenario.columns import Rows, stacked, take
from cpz.simulator.scenario.world import World

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Block = TypeVar("Block", bound=DataclassInstance)
else:
    Block = TypeVar("Block")


def by_regime(world: World, regime: Ints, work: Callable[[World, Rows], Block]) -> Block:
    """Apply `work` to the rows of each regime with that regime's world.

    Args:
        world: the compiled scenario with its regimes.
        regime: (n,) each row's regime.
        work: (world, rows) -> a block of as many rows; each row's values depend on that row alone.
    """
    if len(world.regimes) == 0:
        return work(world, slice(None))
    rows = [np.flatnonzero(regime == code) for code in range(len(world.regimes))]
    used = [(world.regimes[code], mine) for code, mine in enumerate(rows) if len(mine)]
    blocks = [work(*pair) for pair in used]
    order = np.argsort(np.concatenate([mine for _, mine in used]))
    return take(stacked(blocks), order)
