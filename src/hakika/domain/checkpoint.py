"""A checkpoint: what a closed day is held to for ever. Signed with Ed25519, and chained.

It names where the books stood (the number and the hash of their newest posting), the hash of the
day's summary and that of the day's movements, and the checkpoint before it. Whoever has the public
key can prove a report without Hakika and without its database: read `flaws`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hakika.domain.errors import ReportBroken

FORMAT = "hakika-day-report/1"

# So that a signature of ours over a checkpoint can never be taken for one over anything else.
_SIGNED_AS = b"hakika checkpoint 1\n"

PRIVATE_KEY_BYTES = 32

FIRST = bytes(32).hex()  # what the first checkpoint of a merchant and mode is chained to


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed. Hashes are SHA-256 in hex, times RFC 3339."""

    merchant_id: str
    livemode: bool
    number: int              # 1, 2, 3 … of this merchant and mode
    day: str                 # of Nairobi: 2026-11-03
    result: str              # green or red
    sequence: int            # of the newest posting of the books
    link: str                # and its hash
    closed_at: str
    summary_sha256: str
    movements_sha256: str
    previous: str            # the hash of the checkpoint before

    def written(self) -> bytes:
        """Return the bytes that are hashed and signed."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @property
    def sha256(self) -> str:
        """The hash that the next checkpoint names."""
        return hashlib.sha256(self.written()).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with its signature."""

    checkpoint: Checkpoint
    signature: bytes
    public_key: bytes


def read(written: bytes) -> Checkpoint:
    """Return the checkpoint in its bytes. Raises: ValueError, when they are none."""
    return _checkpoint(orjson.loads(written))


_KINDS = {"str": (str, "text"), "int": (int, "a number"), "bool": (bool, "true or false")}


def _checkpoint(written: object) -> Checkpoint:
    """Return the checkpoint in an object of JSON. Raises: ValueError, saying what is wrong."""
    if not isinstance(written, dict):
        raise ValueError("its checkpoint is not an object of JSON")
    expected = {each.name: _KINDS[str(each.type)] for each in fields(Checkpoint)}
    for name, (kind, words) in expected.items():
        if name not in written:
            raise ValueError(f"its checkpoint has no {name}")
        if type(written[name]) is not kind:
            raise ValueError(f"the {name} of its checkpoint is not {words}")
    if more := sorted(set(written) - set(expected)):
        raise ValueError(f"its checkpoint has what no checkpoint has: {', '.join(more)}")
    return Checkpoint(**written)


def public_of(private_key: bytes) -> bytes:
    """Return the public key that goes with a private one."""
    return Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def sign(checkpoint: Checkpoint, private_key: bytes) -> Signed:
    """Return `checkpoint` signed with a private key of 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    signature = key.sign(_SIGNED_AS + checkpoint.written())
    return Signed(checkpoint, signature, key.public_key().public_bytes_raw())


def is_genuine(signed: Signed) -> bool:
    """Say whether the owner of the public key signed this very checkpoint."""
    try:
        Ed25519PublicKey.from_public_bytes(signed.public_key).verify(
            signed.signature, _SIGNED_AS + signed.checkpoint.written(),
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: bytes) -> str:
    """Return what people compare a key by: 16 hex digits in fours."""
    digits = hashlib.sha256(public_key).hexdigest()[:16]
    return " ".join(digits[at:at + 4] for at in range(0, 16, 4))


def summary_digest(summary: Mapping[str, Any]) -> str:
    """Return the hash of a day's summary."""
    return hashlib.sha256(orjson.dumps(summary, option=orjson.OPT_SORT_KEYS)).hexdigest()


class MovementsDigest:
    """The hash of a day's movements, given one at a time in their order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, movement: Mapping[str, Any]) -> None:
        """Take the next movement."""
        option = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        self._digest.update(orjson.dumps(movement, option=option))

    def hexdigest(self) -> str:
        """Return the hash of all that were given."""
        return self._digest.hexdigest()


def _movements_digest(movements: Iterable[Mapping[str, Any]]) -> str:
    digest = MovementsDigest()
    for each in movements:
        digest.add(each)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Report:
    """A day's report. `movements` is None where they are not along, as in a PDF."""

    signed: Signed
    summary: Mapping[str, Any]
    movements: Sequence[Mapping[str, Any]] | None


def flaws(report: Report) -> Iterator[str]:
    """Yield, in words, what in a report is not what was signed."""
    checkpoint = report.signed.checkpoint
    if not is_genuine(report.signed):
        yield "The signature is not of this checkpoint and key."
    if summary_digest(report.summary) != checkpoint.summary_sha256:
        yield "The summary is not the one that was signed."
    movements = report.movements
    if movements is not None and _movements_digest(movements) != checkpoint.movements_sha256:
        yield "The movements are not those that were signed."


def genuine(report: Report) -> Report:
    """Return a report that is as it was signed. Raises: ReportBroken, when it is not."""
    if wrong := list(flaws(report)):
        day = report.signed.checkpoint.day
        raise ReportBroken(f"The report of {day} is not what was signed. {' '.join(wrong)}")
    return report


def document(report: Report) -> dict[str, Any]:
    """Return a report as JSON carries it."""
    signed = report.signed
    written: dict[str, Any] = {
        "format": FORMAT, "checkpoint": asdict(signed.checkpoint),
        "signature": signed.signature.hex(), "public_key": signed.public_key.hex(),
        "summary": report.summary,
    }
    return written if report.movements is None else written | {"movements": report.movements}


def read_document(written: Mapping[str, Any]) -> Report:
    """Return the report in a document. Raises: ValueError, when it is none."""
    if written.get("format") != FORMAT:
        raise ValueError(f"it does not say that it is a {FORMAT}")
    summary, movements = written.get("summary"), written.get("movements")
    if not isinstance(summary, dict):
        raise ValueError("it has no summary that is an object of JSON")
    if movements is not None and not (
        isinstance(movements, list) and all(isinstance(each, dict) for each in movements)
    ):
        raise ValueError("its movements are not a list of objects of JSON")
    signed = Signed(
        _checkpoint(written.get("checkpoint")), _hex(written, "signature"),
        _hex(written, "public_key"),
    )
    return Report(signed, summary, movements)


def _hex(written: Mapping[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(written[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"it has no {name} in hex") from None
