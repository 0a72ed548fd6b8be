"""What C2B URLs get to read: the validation question and the confirmation (daraja.md 5.3).

A confirmation follows every payment to a short code with registered URLs, those by STK push too:
the same money is then told twice, under the same receipt.
"""

import hashlib
import json

from hakika_simulator.callback_plans import PlannedCallback
from hakika_simulator.clock import Clock, stamp
from hakika_simulator.identifiers import Identifiers
from hakika_simulator.ledger import Collection, Ledger
from hakika_simulator.people import name_of
from hakika_simulator.registrations import Registration, Registrations
from hakika_simulator.sms import plain_shillings
from hakika_simulator.switches import SwitchBoard

MASKING_VERSION = 2  # version 1 hashes instead


class Confirmations:
    """Plans what a payment's C2B URLs are told; sends nothing itself."""

    def __init__(
        self,
        *,
        registrations: Registrations,
        ledger: Ledger,
        identifiers: Identifiers,
        switchboard: SwitchBoard,
        clock: Clock,
    ) -> None:
        self._registrations = registrations
        self._ledger = ledger
        self._identifiers = identifiers
        self._switchboard = switchboard
        self._clock = clock

    def registration_for(self, shortcode: str) -> Registration | None:
        """Return the URLs of a pay bill or till; a till's may be registered under its store."""
        found = self._registrations.find(shortcode)
        if found is not None:
            return found
        store = self._ledger.store_of(shortcode)
        return None if store is None else self._registrations.find(store)

    def question(
        self, receipt: str, payment: Collection, registration: Registration
    ) -> PlannedCallback:
        """Return the validation of a payment that has not happened yet."""
        body = _body(receipt, payment, registration, balance="", third_party_id="")
        return PlannedCallback(
            checkout_request_id=receipt,
            url=registration.validation_url,
            body=body,
            kind="validation",
            due_at=payment.at,
        )

    def plan(
        self, receipt: str, payment: Collection, *, third_party_id: str = ""
    ) -> list[PlannedCallback]:
        """Return the confirmations of a payment that has just happened."""
        registration = self.registration_for(payment.shortcode)
        switches = self._switchboard.now
        luck = self._identifiers.chance(f"confirmation {receipt}")
        if registration is None or luck * 100 < switches.confirmations_off:
            return []
        balance = self._ledger.balance_cents(payment.shortcode, payment.account)
        told = PlannedCallback(
            checkout_request_id=receipt,
            url=registration.confirmation_url,
            body=_body(
                receipt,
                payment,
                registration,
                balance=plain_shillings(balance),
                third_party_id=third_party_id,
            ),
            kind="confirmation",
            due_at=payment.at + self._clock.seconds(switches.callback_delay_seconds),
            retries_left=switches.callback_retries,
        )
        return [told] * switches.confirmation_copies


def _body(
    receipt: str,
    payment: Collection,
    registration: Registration,
    *,
    balance: str,
    third_party_id: str,
) -> str:
    first, last = name_of(payment.phone)
    told = {
        "TransactionType": "Buy Goods" if payment.is_to_till else "Pay Bill",
        "TransID": receipt,
        "TransTime": stamp(payment.at),
        "TransAmount": plain_shillings(payment.cents),
        "BusinessShortCode": registration.shortcode,
        "BillRefNumber": "" if payment.is_to_till else payment.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": balance,
        "ThirdPartyTransID": third_party_id,
        "MSISDN": _hidden(payment.phone, registration.version),
        "FirstName": first,
        "MiddleName": "",
        "LastName": last,
    }
    return json.dumps(told, separators=(",", ":"))


def _hidden(phone: str, version: int) -> str:
    if version >= MASKING_VERSION:
        return f"{phone[:4]} ***** {phone[-3:]}"
    return hashlib.sha256(phone.encode()).hexdigest()
