"""The five tables of a dataset: one Arrow schema each, the only place that names their columns.

Money is int64 minor units beside a currency column; time is UTC microseconds. Id columns are int64
in simulated datasets and int64 or string in imported ones. An imported table may carry further
columns, its context; the manifest lists them.
"""

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")
CATEGORY = pa.dictionary(pa.int16(), pa.string())
MONEY = pa.int64()

TABLES = ("shoppers", "sessions", "events", "decisions", "truth")
PLACEMENTS = ("payment", "shipping", "offer")
STEPS = ("review", "address", "shipping", "payment", "confirm")
EVENT_TYPES = (
    "session_started",
    "step_entered",
    "option_selected",
    "payment_declined",
    "purchased",
    "left",
    "suggestion_clicked",
    "returned",
    "charged_back",
    "authentication_challenged",
    "authentication_failed",
    "form_error",
)

#: Whole numbers that grow by small steps, or need few bits: their differences are stored, packed.
PACKED = ("event_id", "session_id", "decision_id", "cart_value_minor", "top_sku")

#: Columns that are not compressed: every bit is as good as random, or, in names and addresses of
#: shoppers, it would take a thirtieth of the time to write for a thirtieth of the bytes.
UNCOMPRESSED = (
    "name",
    "email",
    "address",
    "city",
    "occurred_at",
    "received_at",
    "started_at",
    "duration_s",
    *(f"{placement}_expected" for placement in PLACEMENTS),
    *(f"{placement}_expected_margin" for placement in PLACEMENTS),
)

#: Columns that never become model inputs by default: they are kept for audits.
SENSITIVE = ("age_band", "gender", "name", "email", "address", "city")

#: Columns that are outcomes: known only after the decision, so never a context column.
OUTCOMES = (
    "converted",
    "payment_method",
    "shipping_method",
    "revenue_minor",
    "discount_minor",
    "fees_minor",
    "shipping_cost_minor",
    "margin_minor",
    "duration_s",
    "csat",
    "clicked",
    "reward",
)


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in fields])


SHOPPERS = _schema(
    ("shopper_id", pa.int64(), False),
    ("country", CATEGORY, False),
    ("loyalty_tier", CATEGORY, False),
    ("signed_up_at", TIME, False),
    ("age_band", CATEGORY, False),
    ("gender", CATEGORY, False),
    ("stored_methods", pa.list_(CATEGORY), False),
    ("name", pa.string(), False),
    ("email", pa.string(), False),
    ("address", pa.string(), False),
    ("city", pa.string(), False),
)

SESSIONS = _schema(
    ("session_id", pa.int64(), False),
    ("shopper_id", pa.int64(), False),
    ("started_at", TIME, False),
    ("device", CATEGORY, False),
    ("country", CATEGORY, False),
    ("currency", CATEGORY, False),
    ("cart_value_minor", MONEY, False),
    ("n_items", pa.int32(), False),
    ("top_category", CATEGORY, False),
    ("is_digital", pa.bool_(), False),
    ("promotion", pa.bool_(), False),
    ("converted", pa.bool_(), False),
    ("payment_method", CATEGORY, True),
    ("shipping_method", CATEGORY, True),
    ("revenue_minor", MONEY, False),
    ("discount_minor", MONEY, False),
    ("fees_minor", MONEY, False),
    ("shipping_cost_minor", MONEY, False),
    ("margin_minor", MONEY, False),
    ("duration_s", pa.float64(), False),
    ("csat", pa.int8(), True),
    ("top_sku", pa.int64(), True),
)

EVENTS = _schema(
    ("event_id", pa.int64(), False),
    ("session_id", pa.int64(), False),
    ("shopper_id", pa.int64(), False),
    ("occurred_at", TIME, False),
    ("received_at", TIME, False),
    ("type", CATEGORY, False),
    ("step", CATEGORY, True),
    ("option", CATEGORY, True),
    ("amount_minor", MONEY, True),
)

#: One placement's choice in one session. `eligible` names the options that could have been shown
#: (null in an imported log: all options of the placement). `propensity` is the logging policy's
#: probability of `action` given the context (null where the log has none). `reward` is what the
#: choice is judged by; in simulated data it is the session's conversion, 0 or 1.
DECISIONS = _schema(
    ("decision_id", pa.int64(), False),
    ("session_id", pa.int64(), False),
    ("shopper_id", pa.int64(), False),
    ("decided_at", TIME, False),
    ("placement", CATEGORY, False),
    ("eligible", pa.list_(CATEGORY), True),
    ("action", CATEGORY, False),
    ("position", pa.int16(), True),
    ("propensity", pa.float64(), True),
    ("policy", CATEGORY, False),
    ("clicked", pa.bool_(), True),
    ("converted", pa.bool_(), True),
    ("reward", pa.float64(), False),
)

#: Values of options, without nulls.
VALUES = pa.list_(pa.field("element", pa.float64(), nullable=False))

#: A session's sealed ground truth. `<placement>_eligible` has bit j set where option j, in the
#: manifest's order, could have been shown. Each list has one entry per eligible option, in that
#: order; `cpz.data.truth.option_table` spreads it over all options. `<placement>_expected` is the
#: exact probability of conversion had that option been shown, the other placements drawn from the
#: logging policy; `<placement>_expected_margin` the same for the margin in minor units of the
#: session's currency; `<placement>_propensity` the logging policy's full distribution;
#: `payment_taste` the shopper's latent taste; `trust`, `satisfaction` (points of the survey) and
#: `churned` are those with which the visit began. `<placement>_potential` has bit j set where this
#: session, with its own noise, would have converted had option j been shown.
TRUTH = _schema(
    ("session_id", pa.int64(), False),
    ("shopper_id", pa.int64(), False),
    *(
        (f"{placement}_{what}", kind, False)
        for placement in PLACEMENTS
        for what, kind in (
            ("eligible", pa.int64()),
            ("potential", pa.int64()),
            ("expected", VALUES),
            ("expected_margin", VALUES),
            ("propensity", VALUES),
        )
    ),
    ("price_sensitivity", pa.float64(), False),
    ("patience", pa.float64(), False),
    ("trust", pa.float64(), False),
    ("satisfaction", pa.float64(), False),
    ("churned", pa.bool_(), False),
    ("payment_taste", VALUES, False),
    ("fault_mask", pa.int64(), False),
)

SCHEMAS: dict[str, pa.Schema] = {
    "shoppers": SHOPPERS,
    "sessions": SESSIONS,
    "events": EVENTS,
    "decisions": DECISIONS,
    "truth": TRUTH,
}
