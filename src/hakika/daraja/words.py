"""What a payer or payee may be told, in English and Swahili. Never Safaricom's own text: it means
other things to other people ("The initiator information is invalid." is a wrong PIN).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One message in both languages."""

    en: str
    sw: str


PAID = Words("Payment received.", "Malipo yamepokelewa.")
NO_FUNDS = Words(
    "You do not have enough money in M-Pesa. Top up and try again.",
    "Huna salio la kutosha kwenye M-Pesa. Ongeza pesa kisha ujaribu tena.",
)
TOO_SMALL = Words("The amount is too small for M-Pesa.", "Kiasi hiki ni kidogo mno kwa M-Pesa.")
TOO_LARGE = Words(
    "The amount is above the M-Pesa limit.", "Kiasi hiki kimezidi kiwango cha juu cha M-Pesa.",
)
DAILY_LIMIT = Words(
    "You have reached your daily M-Pesa limit. Try again tomorrow.",
    "Umefikia kiwango chako cha M-Pesa cha siku. Jaribu tena kesho.",
)
RECEIVER_FULL = Words(
    "The business cannot receive money right now.", "Biashara hii haiwezi kupokea pesa kwa sasa.",
)
TOO_SOON = Words(
    "You just tried this payment. Wait two minutes, then try again.",
    "Umejaribu malipo haya sasa hivi. Subiri dakika mbili, kisha ujaribu tena.",
)
NOT_STARTED = Words(
    "We could not start the payment. Please contact the business.",
    "Hatukuweza kuanzisha malipo. Tafadhali wasiliana na biashara.",
)
NOT_STARTED_RETRY = Words(
    "We could not start the payment. Please try again.",
    "Hatukuweza kuanzisha malipo. Tafadhali jaribu tena.",
)
BUSY_RETRY = Words(
    "M-Pesa is busy. Please try again shortly.",
    "M-Pesa ina shughuli nyingi. Tafadhali jaribu tena baada ya muda mfupi.",
)
BUSY_CHECKING = Words(
    "M-Pesa is busy. We are checking your payment.",
    "M-Pesa ina shughuli nyingi. Tunakagua malipo yako.",
)
MAINTENANCE = Words(
    "M-Pesa is down for maintenance. We are checking your payment.",
    "M-Pesa iko kwenye matengenezo. Tunakagua malipo yako.",
)
OTHER_PROMPT_OPEN = Words(
    "You already have an M-Pesa request open. Finish it or wait a minute, then try again.",
    "Una ombi lingine la M-Pesa ambalo halijakamilika. "
    "Likamilishe au usubiri dakika moja, kisha ujaribu tena.",
)
EXPIRED = Words(
    "The request expired. Please try again.", "Muda wa ombi umeisha. Tafadhali jaribu tena.",
)
PROMPT_NOT_SENT = Words(
    "We could not reach your phone. Please try again.",
    "Hatukuweza kufikia simu yako. Tafadhali jaribu tena.",
)
CANCELED = Words(
    "The request was canceled on your phone.", "Ombi lilighairiwa kwenye simu yako.",
)
UNREACHABLE_PHONE = Words(
    "We could not reach your phone. Unlock it, check the signal and try again.",
    "Hatukuweza kufikia simu yako. Ifungue, hakikisha ina mtandao, kisha ujaribu tena.",
)
WRONG_PIN = Words(
    "Wrong M-Pesa PIN. Please try again.", "PIN ya M-Pesa si sahihi. Tafadhali jaribu tena.",
)
PIN_LOCKED = Words(
    "Your M-Pesa PIN is locked. Call 100 or 200 for help.",
    "PIN yako ya M-Pesa imefungwa. Piga 100 au 200 upate usaidizi.",
)
ACCOUNT_INACTIVE = Words(
    "Your M-Pesa account cannot make this payment. Call 100 for help.",
    "Akaunti yako ya M-Pesa haiwezi kufanya malipo haya. Piga 100 upate usaidizi.",
)
WAITING = Words("Waiting for M-Pesa.", "Tunasubiri M-Pesa.")
CHECKING = Words("We are checking your payment.", "Tunakagua malipo yako.")
WRONG_CHECKING = Words(
    "Something went wrong. We are checking your payment.",
    "Kuna tatizo limetokea. Tunakagua malipo yako.",
)

# Money that goes out: payouts, reversals, and questions about them.
DONE = Words("Done.", "Imekamilika.")
NOT_SENT = Words(
    "The money could not be sent. The business has been told.",
    "Pesa hazikutumwa. Biashara imejulishwa.",
)
SENDING_CHECKED = Words(
    "We are checking whether the money was sent.", "Tunakagua kama pesa zimetumwa.",
)
PAYEE_DAILY_LIMIT = Words(
    "You have reached your daily M-Pesa limit, so the money could not be sent today.",
    "Umefikia kiwango chako cha M-Pesa cha siku, kwa hivyo pesa hazikutumwa leo.",
)
PAYEE_FULL = Words(
    "Your M-Pesa account is full, so the money could not be received.",
    "Akaunti yako ya M-Pesa imejaa, kwa hivyo pesa hazikuweza kupokelewa.",
)
PAYEE_INACTIVE = Words(
    "Your M-Pesa account cannot receive this money. Call 100 for help.",
    "Akaunti yako ya M-Pesa haiwezi kupokea pesa hizi. Piga 100 upate usaidizi.",
)
PAYEE_UNREGISTERED = Words(
    "This number is not registered for M-Pesa.", "Nambari hii haijasajiliwa kwa M-Pesa.",
)
ALREADY_GIVEN_BACK = Words(
    "This payment was already given back.", "Malipo haya tayari yamerudishwa.",
)
CANNOT_GIVE_BACK = Words(
    "This payment could not be given back. The business has been told.",
    "Malipo haya hayakuweza kurudishwa. Biashara imejulishwa.",
)
