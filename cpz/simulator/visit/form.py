"""The form of the address step: mistakes in it, and who gives up over them.

A form of k fields is sent with a mistake with probability e = 1 - (1 - p)^k, p being the device's
rate of wrong fields. All mistakes are shown at once. A shopper who sees some gives up with
probability q, or sends the form again, which fails with probability e once more; a third attempt
always passes.

One uniform u decides it all: u < e is a mistake; of these, u < e q give up at once, the next
e^2 (1 - q) make a second one, of which a share q gives up. So e q (1 + e (1 - q)) are lost.
"""

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.world import World


def mistake_rates(world: World) -> Floats:
    """Return e by device, for who has an account and for who has none, (D, 2)."""
    form = world.scenario.behaviour.form
    field_error = np.array([device.field_error for device in world.scenario.devices.values()])
    fields = np.array([form.fields_known, form.fields])
    result: Floats = -np.expm1(np.log1p(-field_error)[:, None] * fields)
    return result


def form_loss(mistake: Floats, gives_up: Floats) -> Floats:
    """Return the probability to give up over the form, e q (1 + e (1 - q)).

    Args:
        mistake: (n,) e.
        gives_up: (n,) q.

    >>> form_loss(np.array([0.5, 0.5]), np.array([1.0, 0.5]))
    array([0.5   , 0.3125])
    """
    result: Floats = mistake * gives_up * (1.0 + mistake * (1.0 - gives_up))
    return result


def form_outcome(u: Floats, mistake: Floats, gives_up: Floats) -> tuple[Mask, Ints]:
    """Return who gets past the form, and how many attempts with a mistake each makes, 0 to 2.

    Args:
        u: (n,) uniforms.
        mistake: (n,) e.
        gives_up: (n,) q.

    >>> half = np.full(4, 0.5)
    >>> form_outcome(np.array([0.2, 0.3, 0.4, 0.6]), half, half)
    (array([False, False,  True,  True]), array([1, 2, 1, 0]))
    """
    at_once = mistake * gives_up
    again = at_once + mistake * mistake * (1.0 - gives_up)
    n_mistakes = (u < mistake).astype(np.int64) + ((u >= at_once) & (u < again))
    return u >= form_loss(mistake, gives_up), n_mistakes
