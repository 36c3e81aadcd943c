"""The events of a visit on the clock: which happened, when, and when the server had them.

A visit has twelve slots in a fixed order; an event happens or not, so that times and sequence
numbers are cumulative sums over the slots.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints, Mask
from cpz.simulator.outcome import Outcome
from cpz.simulator.settings import Clock

STEP_TIME = "clock.step"
DELAY = "clock.delay"
IS_LATE = "clock.is_late"

#: Event type and step of each slot; "" stands where the last event decides.
SLOTS = (
    ("session_started", None),
    ("step_entered", "review"),
    ("step_entered", "address"),
    ("step_entered", "shipping"),
    ("option_selected", "shipping"),
    ("step_entered", "payment"),
    ("option_selected", "payment"),
    ("step_entered", "confirm"),
    ("payment_declined", "payment"),
    ("option_selected", "payment"),
    ("payment_declined", "payment"),
    ("", None),
)
SHIPPING_SLOT, PAYMENT_SLOT, DECLINE_SLOT, RETRY_SLOT, RETRY_DECLINE_SLOT, LAST_SLOT = (
    4,
    6,
    8,
    9,
    10,
    11,
)
#: How long a slot takes, relative to the median step: forms are slow, the server is quick.
_PACE = np.array([0.0, 0.02, 1.0, 2.5, 0.8, 0.1, 1.0, 1.5, 0.3, 1.5, 0.3, 0.7])
_US = 1_000_000
EVENT_IDS = 256


@dataclass(frozen=True, slots=True)
class Timeline:
    """The n_events events of n visits, ordered by visit and time.

    Attributes:
        session: (n_events,) the visit's row.
        slot: (n_events,) index into SLOTS.
        sequence: (n_events,) number within the visit, from 0.
        occurred_us, received_us: (n_events,) UTC microseconds.
        duration_s: (n,) from the first to the last event of each visit.
    """

    session: Ints
    slot: Ints
    sequence: Ints
    occurred_us: Ints
    received_us: Ints
    duration_s: Floats


def happened(outcome: Outcome, is_digital: Mask) -> Mask:
    """Return which of the twelve slots happened in each visit, (n, 12)."""
    n = len(is_digital)
    always = np.ones(n, dtype=np.bool_)
    chose = outcome.first_method >= 0
    return np.column_stack(
        [
            always,
            always,
            outcome.passed_review,
            outcome.passed_address & ~is_digital,
            outcome.shipping >= 0,
            outcome.reached_payment,
            chose,
            chose,
            outcome.declined_first,
            outcome.retry_method >= 0,
            outcome.declined_retry,
            always,
        ]
    )


def step_of_last(present: Mask) -> Ints:
    """Return, for each visit, the slot whose step was the last one entered."""
    entered = [i for i, (kind, _) in enumerate(SLOTS) if kind == "step_entered"]
    slots = np.where(present[:, entered], np.array(entered), -1)
    result: Ints = slots.max(axis=1)
    return result


def draw_timeline(
    clock: Clock, seed: int, session_id: Ints, started_us: Ints, present: Mask
) -> Timeline:
    """Draw durations and delays and lay the events out.

    Args:
        clock: the scenario's clock.
        seed: the run's seed.
        session_id: (n,) ids, which key the noise.
        started_us: (n,).
        present: (n, 12) which slots happened.
    """
    slots = np.arange(len(SLOTS))
    z = keyed.normal(seed, STEP_TIME, session_id[:, None], slots[None, :])
    seconds = clock.step_median_s * _PACE * np.exp(clock.step_sd * z)
    # at least a microsecond between two events keeps their order strict
    steps_us = np.maximum((seconds * _US).astype(np.int64), 1)
    steps_us[:, 0] = 0
    elapsed_us = np.cumsum(np.where(present, steps_us, 0), axis=1)
    sequence = np.cumsum(present, axis=1) - 1
    session, slot = np.nonzero(present)
    occurred = started_us[session] + elapsed_us[session, slot]
    number = sequence[session, slot]
    event_id = session_id[session] * EVENT_IDS + number
    late = keyed.uniform(seed, IS_LATE, event_id) < clock.late_share
    mean = np.where(late, clock.late_mean_s, clock.received_mean_s)
    delay_us = (mean * keyed.exponential(seed, DELAY, event_id) * _US).astype(np.int64)
    return Timeline(
        session=session,
        slot=slot,
        sequence=number,
        occurred_us=occurred,
        received_us=occurred + delay_us,
        duration_s=elapsed_us[:, -1] / _US,
    )
