"""What the result of a B2C, a B2B or a reversal says (daraja.md 5.4, 5.6, 5.10).

The three differ as Safaricom's own samples do: numbers or texts, a list or a lone object.
"""

from typing import Any

from hakika_simulator import results
from hakika_simulator.clock import in_nairobi, stamp
from hakika_simulator.envelopes import TIMEOUT_ITEM, Answer, Items
from hakika_simulator.instructions import Instruction
from hakika_simulator.ledger import ACCOUNT_NAMES, CHARGES_PAID, UTILITY, WORKING, Ledger, Movement
from hakika_simulator.people import full_name_of
from hakika_simulator.settings import Settings
from hakika_simulator.sms import plain_shillings

CHARGE_NAMES = {"b2c": "Fee For B2C Payment", "b2b": "Fee For B2B Payment"}


def person(phone: str) -> str:
    """Return a person as results name one."""
    return f"{phone} - {full_name_of(phone)}"


def business(settings: Settings, shortcode: str) -> str:
    """Return a business as results name one."""
    return f"{shortcode} - {settings.organisation(shortcode)}"


def charges_told(api: str, cents: int) -> str | None:
    """Return DebitPartyCharges, or None if nothing was charged."""
    return f"{CHARGE_NAMES[api]}|KES|{plain_shillings(cents)}" if cents else None


class Outcomes:
    """Writes results from the ledger as it stands when they are written."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings

    def of_success(self, instruction: Instruction, movement: Movement) -> Answer:
        """Return the result of an instruction that was carried out by `movement`."""
        parameters = {
            "b2c": self._of_b2c,
            "b2b": self._of_b2b,
            "reversal": self._of_reversal,
        }[instruction.api](instruction, movement)
        return Answer(
            results.PAID,
            tuple({"Key": key, "Value": value} for key, value in parameters.items()),
            reference=_reference(instruction),
            transaction_id=movement.receipt,
            in_strings=instruction.api == "b2b",
        )

    def of_failure(
        self,
        instruction: Instruction,
        code: str,
        *,
        at: float,
        text: str | None = None,
        transaction_id: str | None = None,
    ) -> Answer:
        """Return the result of an instruction that ended with `code`, true or not."""
        is_b2b = instruction.api == "b2b"
        if is_b2b and code == results.WRONG_RECEIVER:
            text = "Receiver party is invalid."
        return Answer(
            code,
            {"Key": "BOCompletedTime", "Value": int(stamp(at))} if is_b2b else (),
            reference=_reference(instruction),
            text=text,
            transaction_id=transaction_id,
        )

    def _of_b2c(self, it: Instruction, movement: Movement) -> dict[str, Any]:
        completed = in_nairobi(movement.at)
        return {
            "TransactionAmount": it.cents // 100,
            "TransactionReceipt": movement.receipt,
            "ReceiverPartyPublicName": person(it.receiver),
            "TransactionCompletedDateTime": f"{completed:%d.%m.%Y %H:%M:%S}",
            "B2CUtilityAccountAvailableFunds": self._held(it.shortcode, UTILITY),
            "B2CWorkingAccountAvailableFunds": self._held(it.shortcode, WORKING),
            "B2CRecipientIsRegisteredCustomer": "Y",
            "B2CChargesPaidAccountAvailableFunds": self._held(it.shortcode, CHARGES_PAID),
        }

    def _of_b2b(self, it: Instruction, movement: Movement) -> dict[str, Any]:
        left = self._ledger.balance_cents(it.shortcode, movement.account)
        amount = (
            f"{{Amount={{CurrencyCode=KES, MinimumAmount={left},"
            f" BasicAmount={plain_shillings(left)}}}}}"
        )
        charge = self._ledger.charge_cents(movement.receipt)
        return {
            "DebitAccountBalance": amount,
            "Amount": plain_shillings(it.cents),
            "DebitPartyAffectedAccountBalance": self._line(it.shortcode, movement.account),
            "TransCompletedTime": stamp(movement.at),
            "DebitPartyCharges": charges_told("b2b", charge) or "",
            "ReceiverPartyPublicName": business(self._settings, it.receiver),
            "Currency": "KES",
            "InitiatorAccountCurrentBalance": amount,
        }

    def _of_reversal(self, it: Instruction, movement: Movement) -> dict[str, Any]:
        assert movement.phone is not None
        return {
            "DebitAccountBalance": self._line(movement.shortcode, movement.account),
            "Amount": float(it.cents // 100),
            "TransCompletedTime": int(stamp(movement.at)),
            "OriginalTransactionID": movement.linked,
            "Charge": 0.0,
            "CreditPartyPublicName": person(movement.phone),
            "DebitPartyPublicName": business(self._settings, movement.shortcode),
        }

    def _held(self, shortcode: str, account: str) -> float:
        return self._ledger.balance_cents(shortcode, account) / 100

    def _line(self, shortcode: str, account: str) -> str:
        held = plain_shillings(self._ledger.balance_cents(shortcode, account))
        return f"{ACCOUNT_NAMES[account]}|KES|{held}|{held}|0.00|0.00"


def _reference(instruction: Instruction) -> Items | dict[str, Any]:
    if instruction.api != "b2b":
        return TIMEOUT_ITEM
    occasion = {"Key": "Occassion"}
    if instruction.occasion:
        occasion["Value"] = instruction.occasion
    return (
        {"Key": "BillReferenceNumber", "Value": instruction.reference},
        TIMEOUT_ITEM,
        occasion,
    )
