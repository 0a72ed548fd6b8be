"""Every metric: its name, what it says, its unit and labels. docs/metrics.md is made of it.

No label is ever a phone number, a name, a secret, an address, a path with ids in it or a merchant's
own words. The ids of endpoints are labels, and the short codes: the worst 20 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric grows."""

    COUNTER = "counter"      # only up, since the process started
    HISTOGRAM = "histogram"  # how often, and how long, since the process started
    GAUGE = "gauge"          # as it is just now


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of /metrics."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Seconds. Ours are milliseconds, Daraja's and the merchants' are seconds, a payer's are minutes.
_OURS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_THEIRS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30)
_PAYERS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 180, 300, 900, 3600, 21600, 86400)
_LAG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)

_COUNTER, _HISTOGRAM, _GAUGE = Kind

# Counted in the process, as things happen. Add the processes up.

FINAL_SECONDS = Metric(
    "hakika_payment_final_seconds", _HISTOGRAM,
    "From a payment's birth to its outcome, once a payment. Its count is how many were settled.",
    ("mode", "outcome"), _PAYERS,
)
SETTLED = Metric(
    "hakika_payments_settled_total", _COUNTER,
    "Payments by outcome, our code and Daraja's; both are empty when money came.",
    ("mode", "outcome", "code", "daraja_code"),
)
CALLBACK_DELAY_SECONDS = Metric(
    "hakika_callback_delay_seconds", _HISTOGRAM,
    "From the push to the callback that was believed.", ("mode",), _PAYERS,
)
CALLBACK_SECONDS = Metric(
    "hakika_callback_seconds", _HISTOGRAM,
    "How long a callback was in our hands. `kept`: answered with 200, believed or in quarantine; "
    "`failed`: answered with 503, because it could not be made durable.", ("outcome",), _OURS,
)
QUARANTINED = Metric(
    "hakika_callbacks_quarantined_total", _COUNTER,
    "Callbacks that were put in quarantine, by reason.", ("reason",),
)
C2B_VALIDATIONS = Metric(
    "hakika_c2b_validations_total", _COUNTER,
    "Answers to M-Pesa's question whether a payer's own payment is let in: `accepted`, or why not. "
    "`by`: the `rule` was applied, or could not be in time and the `default` was said.",
    ("mode", "rule", "outcome", "by"),
)
HTTP_SECONDS = Metric(
    "hakika_http_request_seconds", _HISTOGRAM,
    "Requests to the API by the route's template, until the answer was sent.",
    ("method", "route", "status"), _OURS,
)
DARAJA_SECONDS = Metric(
    "hakika_daraja_call_seconds", _HISTOGRAM,
    "Calls to Daraja, waiting for a token included. A push is `accepted`, `refused`, `unreachable` "
    "(never sent) or `silent` (perhaps sent); a query says `paid`, `failed`, `pending`, "
    "`throttled` or nothing (`silent`). `broken_off`: we were stopped.",
    ("mode", "endpoint", "outcome"), _THEIRS,
)
WEBHOOK_SECONDS = Metric(
    "hakika_webhook_attempt_seconds", _HISTOGRAM,
    "Tries at a delivery: `delivered`, `refused` (an answer that is not 2xx), `gone` (410), "
    "`unanswered`, or `broken_off`.", ("outcome",), _THEIRS,
)
WEBHOOK_LAG_SECONDS = Metric(
    "hakika_webhook_lag_seconds", _HISTOGRAM,
    "From the commit of an event to the first try at a delivery of it.", (), _LAG,
)
ROUNDS = Metric(
    "hakika_worker_rounds_total", _COUNTER,
    "Rounds that workers made, by what they look after; `failed` ones are in the log as "
    "`round_failed`.", ("round", "outcome"),
)

COUNTED = (
    FINAL_SECONDS, SETTLED, CALLBACK_DELAY_SECONDS, CALLBACK_SECONDS, QUARANTINED,
    C2B_VALIDATIONS, HTTP_SECONDS,
    DARAJA_SECONDS, WEBHOOK_SECONDS, WEBHOOK_LAG_SECONDS, ROUNDS,
)

# Looked at when somebody scrapes. `pool` is the part of the process that has the connections.

BUILD = Metric("hakika_build_info", _GAUGE, "1, with the version that runs.", ("version",))
POOL_CONNECTIONS = Metric(
    "hakika_database_connections", _GAUGE,
    "Connections to the database: `in_use` or `idle`.", ("pool", "state"),
)
POOL_MAX = Metric(
    "hakika_database_connections_max", _GAUGE,
    "How many connections there may be (`HAKIKA_DATABASE_CONNECTIONS_MAX`).", ("pool",),
)
POOL_WAITING = Metric(
    "hakika_database_waiting", _GAUGE, "Who waits for a connection just now.", ("pool",),
)
POOL_WAIT_SECONDS = Metric(
    "hakika_database_wait_seconds_total", _COUNTER,
    "How long all together have waited for a connection.", ("pool",),
)
DATABASE_UP = Metric(
    "hakika_database_up", _GAUGE,
    "1 when the database answered this scrape, else 0; then everything below is missing.",
)

# Read from the database, the same in every process: never add these up, take the largest.

NEWEST = Metric(
    "hakika_payments_newest", _GAUGE,
    "The newest payments, those of the last 24 hours or 10,000 of them, by state, our code and "
    "Daraja's.", ("mode", "state", "code", "daraja_code"),
)
NEWEST_SECONDS = Metric(
    "hakika_payments_newest_seconds", _GAUGE,
    "How old the oldest of the newest payments is: the time in which so many were asked for.",
)
OPEN = Metric(
    "hakika_payments_open", _GAUGE,
    "Payments whose outcome is open and that nobody has given up; counted up to 5,000.",
    ("mode", "state"),
)
OPEN_OLDEST_SECONDS = Metric(
    "hakika_payments_open_oldest_seconds", _GAUGE,
    "For how long the oldest open payment has been waiting since its push.", ("mode", "state"),
)
CHECKS_DUE = Metric(
    "hakika_checks_due", _GAUGE,
    "Payments that Daraja should have been asked about by now; counted up to 5,000. The worst 20 "
    "short codes.", ("mode", "shortcode"),
)
CHECKS_OLDEST_SECONDS = Metric(
    "hakika_checks_due_oldest_seconds", _GAUGE,
    "For how long the oldest of these has been due.", ("mode", "shortcode"),
)
BUDGET_WAIT_SECONDS = Metric(
    "hakika_query_budget_wait_seconds", _GAUGE,
    "In how long a short code may be asked about again. 0: there is budget. Long: Daraja told us "
    "to stay away. The 20 longest.", ("mode", "shortcode"),
)
ENDPOINT_PENDING = Metric(
    "hakika_endpoint_pending", _GAUGE,
    "Deliveries that wait for an endpoint, out of the 5,000 that are due first. The worst 20 "
    "endpoints; `single_payments` are all addresses of single payments.", ("endpoint",),
)
ENDPOINT_DUE_SECONDS = Metric(
    "hakika_endpoint_oldest_due_seconds", _GAUGE,
    "For how long the first of these has been due. It grows when workers do not come around to it.",
    ("endpoint",),
)
ENDPOINT_FAILING_SECONDS = Metric(
    "hakika_endpoint_failing_seconds", _GAUGE,
    "Age of the oldest event that was sent to the endpoint in vain and is still to be sent. 0: "
    "none.", ("endpoint",),
)
ENDPOINT_SUCCESS_SECONDS = Metric(
    "hakika_endpoint_success_seconds", _GAUGE,
    "How long ago the endpoint last took a delivery. Missing when that is not among the newest "
    "5,000 of all.", ("endpoint",),
)
QUEUE_DELIVERIES = Metric(
    "hakika_queue_deliveries", _GAUGE,
    "Deliveries that are `due`, `parked` (wait for their time), `waiting` (for their turn at an "
    "endpoint) or `running`; each counted up to 10,000.", ("state",),
)
QUEUE_OLDEST_SECONDS = Metric(
    "hakika_queue_oldest_due_seconds", _GAUGE, "For how long the oldest due delivery has been due.",
)
QUARANTINE = Metric(
    "hakika_quarantine", _GAUGE,
    "Callbacks in quarantine, out of the newest 5,000: `retrying` are read again by a worker, "
    "`kept` wait for a person.", ("reason", "state"),
)
UNNUMBERED = Metric(
    "hakika_events_unnumbered", _GAUGE,
    "Events that have no number yet, because nobody read or delivered them; counted up to 5,000. "
    "No trouble by itself.",
)
PULL_AGE_SECONDS = Metric(
    "hakika_pull_age_seconds", _GAUGE,
    "How long ago the time is up to which M-Pesa's own list of a short code was read whole. It "
    "goes back 48 hours: what is older is found only in a statement.", ("mode", "shortcode"),
)
DISCREPANCIES = Metric(
    "hakika_discrepancies_open", _GAUGE,
    "Differences between the books and M-Pesa's records, and questions about payments, that nobody "
    "has settled; counted up to 10,000.", ("mode", "kind"),
)

STOPS = Metric(
    "hakika_payout_stops", _GAUGE,
    "What stands before money out: a `switch` a person threw, a `burst` of payouts, a `change` "
    "of who may order or with what, an `operator` that M-Pesa refused. Counted up to 5,000.",
    ("mode", "why"),
)
LOW_FLOATS = Metric(
    "hakika_float_low", _GAUGE,
    "1 for each short code on which less is available than its merchant's rules want; of the first "
    "20.", ("mode", "shortcode"),
)

LOOKED_AT = (
    BUILD, POOL_CONNECTIONS, POOL_MAX, POOL_WAITING, POOL_WAIT_SECONDS, DATABASE_UP,
)
READ = (
    NEWEST, NEWEST_SECONDS, OPEN, OPEN_OLDEST_SECONDS, CHECKS_DUE, CHECKS_OLDEST_SECONDS,
    BUDGET_WAIT_SECONDS, ENDPOINT_PENDING, ENDPOINT_DUE_SECONDS, ENDPOINT_FAILING_SECONDS,
    ENDPOINT_SUCCESS_SECONDS, QUEUE_DELIVERIES, QUEUE_OLDEST_SECONDS, QUARANTINE, UNNUMBERED,
    PULL_AGE_SECONDS, DISCREPANCIES, STOPS, LOW_FLOATS,
)
EVERYTHING = (*COUNTED, *LOOKED_AT, *READ)
