"""Reading what all calls under an operator's name have in common (daraja.md 5.4 to 5.10)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hakika_simulator.fields import SHORTCODE, Fields

NAME_LENGTH_MAX = 100
REMARKS_LENGTH_MAX = 100
OCCASION_LENGTH_MAX = 100
CREDENTIAL_LENGTH_MAX = 1000
ANY_IDENTIFIER_TYPE = {"IdentifierType": "[124]"}


@dataclass(frozen=True, slots=True)
class Question:
    """Who calls, what for, for which short code, and where the result goes."""

    initiator: str
    credential: str
    command: str
    shortcode: str
    result_url: str
    timeout_url: str


def read_question(
    fields: Fields,
    *,
    command: str,
    production: bool,
    initiator: str = "Initiator",
    party: str = "PartyA",
    types: Mapping[str, str] = ANY_IDENTIFIER_TYPE,
    remarks_length_min: int = 1,
) -> Question:
    """Return what a body asks; `command` and the values of `types` are patterns.

    Raises:
        Refused: a field is wrong; nothing was asked.
    """
    # The initiator comes first: it is what Daraja misses in a body that is no JSON.
    name = fields.short(initiator, NAME_LENGTH_MAX)
    credential = fields.short("SecurityCredential", CREDENTIAL_LENGTH_MAX)
    commanded = fields.text("CommandID", re.compile(command))
    shortcode = fields.text(party, SHORTCODE)
    for field, shape in types.items():
        fields.text(field, re.compile(shape))
    result_url = fields.url("ResultURL", production=production)
    timeout_url = fields.url("QueueTimeOutURL", production=production)
    fields.short("Remarks", REMARKS_LENGTH_MAX, length_min=remarks_length_min)
    return Question(name, credential, commanded, shortcode, result_url, timeout_url)
