"""The events of a visit on the clock: which happened, when, and when the server had them.

A visit has 21 slots in a fixed order, the last two days later; an event happens or not, so
that times and sequence numbers are cumulative sums over the slots.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.aftermath.challenges import Challenges
from cpz.simulator.aftermath.later_outcomes import Aftermath
from cpz.simulator.scenario.settings import Behaviour, Clock
from cpz.simulator.visit.outcome import VisitOutcome

STEP_TIME = "clock.step"
DAYS = "clock.days"
DELAY = "clock.delay"
CHALLENGE = "clock.challenge"

#: Event type and step of each slot; "" stands where the last event decides.
SLOTS = (
    ("session_started", None),
    ("step_entered", "review"),
    ("step_entered", "address"),
    ("form_error", "address"),
    ("form_error", "address"),
    ("step_entered", "shipping"),
    ("option_selected", "shipping"),
    ("step_entered", "payment"),
    ("suggestion_clicked", "payment"),
    ("option_selected", "payment"),
    ("step_entered", "confirm"),
    ("authentication_challenged", "payment"),
    ("authentication_failed", "payment"),
    ("payment_declined", "payment"),
    ("option_selected", "payment"),
    ("authentication_challenged", "payment"),
    ("authentication_failed", "payment"),
    ("payment_declined", "payment"),
    ("", None),
    ("returned", None),
    ("charged_back", None),
)
SHIPPING_SLOT = 6
CLICK_SLOT, PAYMENT_SLOT, CONFIRM_SLOT = 8, 9, 10
CHALLENGE_SLOT, FAILED_SLOT, DECLINE_SLOT, RETRY_SLOT = range(11, 15)
RETRY_CHALLENGE_SLOT, RETRY_FAILED_SLOT, RETRY_DECLINE_SLOT = range(15, 18)
LAST_SLOT, RETURN_SLOT, CHARGEBACK_SLOT = range(18, 21)
#: What keys a slot's draws: a new slot takes a new number, so that it moves no other slot's draws.
_KEY = np.array([*range(3), 19, 20, *range(3, 9), 15, 16, 9, 10, 17, 18, 11, 12, 13, 14])
#: How long a slot takes, relative to the median step: forms are slow, the server is quick.
_BEFORE_PAYING = (0.0, 0.02, 1.0, 2.0, 0.7, 2.5, 0.8, 0.1, 0.9, 0.1, 1.5)
_PACE = np.array([*_BEFORE_PAYING, 0.1, 0.1, 0.3, 1.5, 0.1, 0.1, 0.3, 0.7, 0.0, 0.0])
_US = 1_000_000
_DAY_US = 86_400 * _US
EVENT_IDS = 256


@dataclass(frozen=True, slots=True)
class Timeline:
    """The n_events events of n visits, ordered by visit and time.

    Attributes:
        session: (n_events,) the visit's row.
        slot: (n_events,) index into SLOTS.
        sequence: (n_events,) number within the visit, from 0.
        occurred_us, received_us: (n_events,) UTC microseconds.
        duration_s: (n,) from the first event of each visit to its purchase or leaving.
    """

    session: Ints
    slot: Ints
    sequence: Ints
    occurred_us: Ints
    received_us: Ints
    duration_s: Floats


def happened(
    outcome: VisitOutcome,
    challenges: Challenges,
    shown: Ints,
    is_digital: Mask,
    aftermath: Aftermath,
) -> Mask:
    """Return which of the slots happened in each visit, (n, 21).

    Args:
        outcome: the visits' outcomes.
        challenges: the challenges of their payments.
        shown: (n,) the payment option that stood first; choosing it first is a click on it.
        is_digital: (n,).
        aftermath: what follows days later.
    """
    n = len(is_digital)
    always = np.ones(n, dtype=np.bool_)
    chose = outcome.first_method >= 0
    return np.column_stack(
        [
            always,
            always,
            outcome.passed_review,
            outcome.form_mistakes > 0,
            outcome.form_mistakes > 1,
            outcome.passed_address & ~is_digital,
            outcome.shipping >= 0,
            outcome.reached_payment,
            chose & (outcome.first_method == shown),
            chose,
            chose,
            challenges.challenged_first,
            challenges.failed_first,
            outcome.declined_first & ~challenges.failed_first,
            outcome.retry_method >= 0,
            challenges.challenged_retry,
            challenges.failed_retry,
            outcome.declined_retry & ~challenges.failed_retry,
            always,
            aftermath.returned,
            aftermath.charged_back,
        ]
    )


def step_of_last(outcome: VisitOutcome, is_digital: Mask) -> Ints:
    """Return, for each visit, the slot whose step was the last one entered."""
    step = np.ones(len(is_digital), dtype=np.int64)
    step[outcome.passed_review] = 2
    step[outcome.passed_address & ~is_digital] = SHIPPING_SLOT - 1
    step[outcome.reached_payment] = CLICK_SLOT - 1
    step[outcome.first_method >= 0] = CONFIRM_SLOT
    return step


def draw_timeline(
    behaviour: Behaviour, seed: int, session_id: Ints, started_us: Ints, present: Mask
) -> Timeline:
    """Draw durations and delays and lay the events out.

    Args:
        behaviour: the scenario's clock and how long challenges, returns and chargebacks take.
        seed: the run's seed.
        session_id: (n,) ids, which key the noise.
        started_us: (n,).
        present: (n, 21) which slots happened.
    """
    clock = behaviour.clock
    flat = np.flatnonzero(present.ravel())
    session = flat // len(SLOTS)
    slot = flat - session * len(SLOTS)
    n_events = np.bincount(session, minlength=len(present))
    first = np.cumsum(n_events) - n_events
    number = np.arange(len(flat)) - np.repeat(first, n_events)
    ids = np.repeat(session_id, n_events)
    z = keyed.normal(seed, STEP_TIME, ids * EVENT_IDS + _KEY[slot])
    seconds = clock.step_median_s * _PACE[slot] * np.exp(clock.step_sd * z)
    # what follows a challenge waits for it to end; each visit has a last event, so something does
    answer = np.flatnonzero((slot == CHALLENGE_SLOT) | (slot == RETRY_CHALLENGE_SLOT)) + 1
    z = keyed.normal(seed, CHALLENGE, ids[answer], _KEY[slot[answer]])
    seconds[answer] += behaviour.authentication.challenge_median_s * np.exp(clock.step_sd * z)
    # at least a microsecond between two events keeps their order strict
    steps_us = np.maximum((seconds * _US).astype(np.int64), 1)
    steps_us[first] = 0
    total_us = np.cumsum(steps_us)
    begun_us = total_us[first]
    n_later = present[:, RETURN_SLOT] * 1 + present[:, CHARGEBACK_SLOT]
    duration_us = total_us[first + n_events - n_later - 1] - begun_us
    occurred = total_us + np.repeat(started_us - begun_us, n_events)
    occurred += _days_later(behaviour, seed, ids, slot)
    event_id = ids * EVENT_IDS + number
    delay_us = (delays(clock, keyed.uniform(seed, DELAY, event_id)) * _US).astype(np.int64)
    return Timeline(
        session=session,
        slot=slot,
        sequence=number,
        occurred_us=occurred,
        received_us=occurred + delay_us,
        duration_s=duration_us / _US,
    )


def delays(clock: Clock, u: Floats) -> Floats:
    """Return seconds from events to their receipt, exponential with a longer mean for the late.

    One uniform decides both: given on which side of `late_share` it lies, what is left of it is
    uniform on (0, 1] again.
    """
    share, rest = clock.late_share, 1.0 - clock.late_share
    late = u <= share
    left = np.where(late, u / (share or 1.0), (u - share) / (rest or 1.0))
    # above 0 in every row: an event that is not late has a uniform above the share
    return -np.where(late, clock.late_mean_s, clock.received_mean_s) * np.log(left)


def _days_later(behaviour: Behaviour, seed: int, ids: Ints, slot: Ints) -> Ints:
    """Return the microseconds that returns and chargebacks come after the purchase, else 0."""
    later = np.flatnonzero(slot > LAST_SLOT)
    result = np.zeros(len(slot), dtype=np.int64)
    days = behaviour.aftermath
    mean = np.where(slot[later] == RETURN_SLOT, days.return_days, days.chargeback_days)
    waited = mean * keyed.exponential(seed, DAYS, ids[later], _KEY[slot[later]])
    # a chargeback after a return comes later than the return
    follows = np.flatnonzero(np.diff(later) == 1) + 1
    follows = follows[ids[later[follows]] == ids[later[follows] - 1]]
    waited[follows] += waited[follows - 1]
    result[later] = (waited * _DAY_US).astype(np.int64)
    return result
