"""The zoo of receivers: whatever they do, the sender comes back in time, with one honest Answer."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from standardwebhooks import Webhook

import hakika
from hakika.domain.delivery import Answer
from hakika.domain.dialect import mint_secret, sign
from hakika.outbound.addresses import Address, AllowList
from hakika.outbound.connections import CONNECTIONS_PER_HOST_MAX
from hakika.outbound.webhooks import (
    BODY_BYTES_MAX,
    RETRY_AFTER_SECONDS_MAX,
    WebhookSender,
    open_sender,
    retry_after_seconds,
)
from tests.outbound.receivers import (
    AUTHORITY,
    OK,
    Behaviour,
    answers,
    answers_status,
    hangs,
    hangs_up_when_left,
    listening,
    repeats,
    starts_then_hangs,
    starts_then_resets,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOOPBACK = AllowList.parse(["127.0.0.0/8"])
SECONDS_MAX = 0.3
SILENCE = "No answer within 0.3 seconds."
ONE_GIGABYTE = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def loopback_dns(_: str) -> Sequence[Address]:
    return [ip_address("127.0.0.1")]


def quick_sender(*, tls: ssl.SSLContext | None = None, lookup=loopback_dns) -> WebhookSender:
    return open_sender(
        allow=LOOPBACK, now=lambda: NOON, lookup=lookup, tls=tls,
        seconds_max=SECONDS_MAX, connect_seconds_max=SECONDS_MAX / 2,
    )


@pytest.fixture
async def sender() -> AsyncIterator[WebhookSender]:
    sender = quick_sender()
    yield sender
    await sender.close()


async def post(
    sender: WebhookSender, url: str, *, headers: Mapping[str, str] | None = None,
    body: bytes = b"{}", livemode: bool = False,
) -> Answer:
    return await sender.post(url, headers=headers or {}, body=body, livemode=livemode)


async def answer_of(behave: Behaviour, sender: WebhookSender) -> Answer:
    async with listening(behave) as receiver:
        return await post(sender, receiver.url)


async def test_what_is_signed_is_what_arrives(sender):
    """From the signature to the merchant's own library, over a real socket."""
    secret, body = mint_secret(bytes(range(32))), '{"shop":"Mama Mboga – Nyeri"}'.encode()
    signed_at = int(datetime.now(UTC).timestamp())  # the merchant's library reads the real clock
    async with listening(OK) as receiver:
        headers = {
            "content-type": "application/json", "webhook-id": "evt_1",
            "webhook-timestamp": str(signed_at),
            "webhook-signature": sign(secret, message_id="evt_1", timestamp=signed_at, body=body),
        }
        answer = await post(sender, receiver.url, headers=headers, body=body)

    head, _, arrived = receiver.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    heard = dict(line.lower().split(": ", 1) for line in lines[1:])
    received = dict(line.split(": ", 1) for line in lines[1:])
    assert answer == Answer(200, duration_ms=answer.duration_ms)
    assert lines[0] == "POST /hooks HTTP/1.1"
    assert Webhook(secret).verify(arrived, received) == {"shop": "Mama Mboga – Nyeri"}
    assert heard["user-agent"] == f"hakika/{hakika.__version__}"
    assert heard["accept-encoding"] == "identity"
    assert heard["content-type"] == "application/json"
    assert heard["content-length"] == str(len(body))
    assert heard["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_received(sender, status):
    answer = await answer_of(answers_status(status), sender)

    assert (answer.status, answer.error, answer.accepted) == (status, "", True)


@pytest.mark.parametrize(
    "status", [101, 300, 304, 399, 400, 404, 410, 429, 500, 502, 503, 599, 999],
)
async def test_nothing_else_is_received(sender, status):
    answer = await answer_of(answers_status(status, body=b"" if status == 304 else b"no"), sender)

    assert answer.status == status and not answer.accepted
    assert str(status) in answer.error and answer.error.endswith(".")
    assert answer.gone == (status == 410)


@pytest.mark.parametrize(("behave", "sentence"), [
    (hangs, SILENCE),
    (repeats(b"HTTP/1.1 200 OK\r\n", b"x", pause=0.02), SILENCE),
    (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.001), SILENCE),
    (answers(b""), "The host closed the connection without an answer."),
    (starts_then_resets(b""), "The connection broke before an answer came."),
    (answers(b"SSH-2.0-OpenSSH_9.6\r\n"), "not HTTP that we can read"),
    (answers(b"HTTP/1.1 2OO OK\r\n\r\n"), "not HTTP that we can read"),
    (answers(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "not HTTP that we can read"),
    (answers(b"\x16\x03\x01\x00\x00garbage"), "not HTTP that we can read"),
    (answers(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000), "headers were too large"),
    (repeats(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "headers were too large"),
    (repeats(b"HTTP/1.1 200 ", b"OK" * 1000), "headers were too large"),
], ids=range(12))
async def test_no_answer_is_told_in_a_sentence(sender, behave, sentence):
    answer = await answer_of(behave, sender)

    assert answer.status is None and not answer.accepted
    assert sentence in answer.error
    assert answer.duration_ms < 1000 * SECONDS_MAX + 300


@pytest.mark.parametrize(("behave", "body"), [
    (starts_then_hangs(ONE_GIGABYTE), b""),
    (starts_then_hangs(ONE_GIGABYTE + b"thanks"), b"thanks"),
    (starts_then_resets(ONE_GIGABYTE + b"thanks"), b"thanks"),
    (starts_then_resets(CHUNKED + b"6\r\nthanks\r\n"), b"thanks"),
    (answers(CHUNKED + b"6\r\nthanks\r\n", b"ZZ\r\n"), b"thanks"),
    (starts_then_hangs(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
    (starts_then_hangs(b"HTTP/1.1 200 OK\r\n\r\nthanks"), b"thanks"),
    (answers(b"HTTP/1.0 200\r\n\r\nthanks"), b"thanks"),
], ids=range(8))
async def test_a_2xx_counts_however_its_body_ends(sender, behave, body):
    """The merchant has it: to send it again would be a duplicate that we made."""
    answer = await answer_of(behave, sender)

    assert (answer.accepted, answer.error) == (True, "")
    assert answer.body == body
    assert answer.duration_ms < 1000 * SECONDS_MAX + 300


async def test_a_dripping_body_is_cut_at_the_deadline(sender):
    answer = await answer_of(repeats(ONE_GIGABYTE, b"d", pause=0.02), sender)

    assert answer.accepted
    assert 5 < len(answer.body) < 50
    assert 1000 * SECONDS_MAX - 20 <= answer.duration_ms < 1000 * SECONDS_MAX + 300


@pytest.mark.parametrize("start", [ONE_GIGABYTE, b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_an_endless_body_is_not_read_to_its_end(sender, start):
    """Bounded memory: what is not asked for stays with the receiver, and we hang up at once."""
    sent, hung_up = 0, asyncio.Event()

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(start)
        try:
            while True:
                writer.write(b"e" * 100_000)
                await writer.drain()
                sent += 100_000
        finally:
            hung_up.set()

    async with listening(endless) as receiver:
        answer = await post(sender, receiver.url)
        await asyncio.wait_for(hung_up.wait(), 2)

    assert answer.accepted
    assert answer.body == b"e" * BODY_BYTES_MAX
    assert answer.duration_ms < 1000 * SECONDS_MAX
    assert sent < 20_000_000  # what the kernel's own buffers take, and no more


async def test_a_body_of_a_failure_is_kept_for_the_merchant_to_see(sender):
    answer = await answer_of(answers_status(500, body=b"Traceback" * 3000), sender)

    assert answer.status == 500
    assert answer.body == (b"Traceback" * 3000)[:BODY_BYTES_MAX]


async def test_a_compressed_body_is_not_blown_up(sender):
    bomb = gzip.compress(bytes(10_000_000))

    answer = await answer_of(answers_status(200, "Content-Encoding: gzip", body=bomb), sender)

    assert answer.accepted
    assert answer.body == bomb[:BODY_BYTES_MAX]


async def test_a_host_that_hangs_does_not_hold_up_another():
    """Many webhooks to one dead receiver, and the neighbour's still goes out at once.

    It hangs for long beside the wait for a connection, so that a busy machine tells them apart.
    """
    sender = open_sender(
        allow=LOOPBACK, now=lambda: NOON, lookup=loopback_dns, seconds_max=3,
        connect_seconds_max=0.3,
    )
    async with listening(hangs_up_when_left) as dead, listening(OK) as alive:
        stuck = [asyncio.create_task(post(sender, dead.url)) for _ in range(200)]
        await asyncio.sleep(0.05)
        answers = await asyncio.gather(*(post(sender, alive.url) for _ in range(20)))
        complaints = [(await task).error for task in stuck]
    await sender.close()

    assert all(answer.accepted for answer in answers)
    assert dead.open_most == CONNECTIONS_PER_HOST_MAX
    silence = "No answer within 3 seconds."
    waited = sum("still waiting for their answers" in text for text in complaints)
    assert complaints.count(silence) >= CONNECTIONS_PER_HOST_MAX
    assert complaints.count(silence) + waited == 200
    assert waited > 0


async def test_a_host_that_is_down_is_told(sender):
    async with listening(OK) as receiver:
        pass  # closed again: nobody listens there

    answer = await post(sender, receiver.url)

    assert (answer.status, answer.error) == (None, "The host did not accept a connection.")


async def test_names_that_fail_are_told():
    async def fails(_: str) -> Sequence[Address]:
        raise OSError("no such name")

    async def takes_forever(_: str) -> Sequence[Address]:
        await asyncio.sleep(3600)
        return ()

    async def is_empty(_: str) -> Sequence[Address]:
        return ()

    told = []
    for lookup in (fails, takes_forever, is_empty):
        sender = quick_sender(lookup=lookup)
        told.append((await post(sender, "http://shop.example/")).error)
        await sender.close()

    assert told[0] == "The host name could not be resolved."
    assert told[1].startswith("No connection within 0.15 seconds")
    assert told[2] == "The host has no public address, so it was not called."


async def test_a_url_from_before_the_rules_is_judged_again(sender):
    """Stored URLs outlive the rules they were registered under."""
    answer = await post(sender, "http://user:pass@shop.example/")
    live = await post(sender, "http://shop.example/", livemode=True)

    assert answer == Answer(None, "The URL carries a user name or password.")
    assert live == Answer(None, "A live webhook must go to an https:// URL.")


async def test_posts_under_way_end_as_failed_when_the_sender_closes():
    sender = quick_sender()
    async with listening(hangs) as receiver:
        under_way = asyncio.create_task(post(sender, receiver.url))
        await receiver.heard_a_request()
        await sender.close()

        assert (await under_way).status is None


async def test_a_post_that_is_called_off_hangs_up(sender):
    """A worker that stops leaves no connection behind."""
    gone = asyncio.Event()

    async def watches(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side closes
        gone.set()

    async with listening(watches) as receiver:
        under_way = asyncio.create_task(post(sender, receiver.url))
        await receiver.heard_a_request()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        await asyncio.wait_for(gone.wait(), 1)


def trusting_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def test_tls_goes_to_the_checked_address_under_the_hosts_own_name():
    """The connection is made to a number; the certificate and Host still speak of the name."""
    sender = quick_sender(tls=trusting_tls())
    async with listening(OK, tls=True) as receiver:
        answer = await post(sender, f"https://shop.example:{receiver.port}/", livemode=True)
    await sender.close()

    assert answer.accepted
    assert receiver.names == ["shop.example"]
    assert f"Host: shop.example:{receiver.port}".encode() in receiver.requests[0]


@pytest.mark.parametrize(("host", "tls"), [
    ("shop.example", None),             # nobody we trust has signed it
    ("other.example", trusting_tls()),  # signed, for another name
    ("127.0.0.1", trusting_tls()),
])
async def test_tls_that_proves_nothing_gets_nothing(host, tls):
    sender = quick_sender(tls=tls)
    async with listening(OK, tls=True) as receiver:
        answer = await post(sender, f"https://{host}:{receiver.port}/", livemode=True)
    await sender.close()

    assert answer.status is None
    assert "certificate" in answer.error
    assert receiver.requests == []


async def test_tls_that_is_not_tls_is_told(sender):
    async with listening(OK) as receiver:
        answer = await post(sender, f"https://shop.example:{receiver.port}/", livemode=True)

    assert answer.status is None and answer.error.endswith(".")
    assert receiver.requests == []


async def test_an_endless_body_over_tls_is_hung_up_on():
    """Bounded time, also where hanging up is a conversation of its own."""
    sender, hung_up = quick_sender(tls=trusting_tls()), asyncio.Event()

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ONE_GIGABYTE)
        try:
            while True:
                writer.write(b"e" * 100_000)
                await writer.drain()
        finally:
            hung_up.set()

    async with listening(endless, tls=True) as receiver:
        answer = await post(sender, f"https://shop.example:{receiver.port}/", livemode=True)
        await asyncio.wait_for(hung_up.wait(), 1)
    await sender.close()

    assert answer.accepted and len(answer.body) == BODY_BYTES_MAX


@pytest.mark.parametrize(("value", "seconds"), [
    ("0", 0), ("120", 120), (" 7 ", 7), ("007", 7), ("9" * 9, 999_999_999),
    ("9" * 5000, RETRY_AFTER_SECONDS_MAX),
    ("Mon, 02 Mar 2026 12:02:00 GMT", 120), ("Monday, 02-Mar-26 12:02:00 GMT", 120),
    ("Mon Mar  2 12:02:00 2026", 120), ("Mon, 02 Mar 2026 15:02:00 +0300", 120),
    ("Mon, 02 Mar 2026 12:02:00 -0000", 120), ("Sun, 01 Mar 2026 12:00:00 GMT", 0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
    ("", None), ("soon", None), ("-5", None), ("+5", None), ("1.5", None), ("1e3", None),
    ("5, 10", None), ("\u0665", None), ("\u00b2", None), ("0x10", None), ("12:00", None),
    ("Mon, 99 Mar 2026 12:02:00 GMT", None), ("Mon, 02 Mar 99999 12:02:00 GMT", None),
    ("Mon, 02 Mar 2026 12:02:00 +" + "9" * 40, None), ("Mon, 02 Mar 2026", None), (",", None),
])
def test_retry_after_is_read_in_both_forms(value, seconds):
    assert retry_after_seconds(value, now=NOON) == seconds


def test_a_retry_after_of_part_of_a_second_is_rounded_up():
    """Never earlier than asked."""
    now = NOON - timedelta(milliseconds=100)

    assert retry_after_seconds("Mon, 02 Mar 2026 12:00:00 GMT", now=now) == 1


@pytest.mark.parametrize(("status", "value", "seconds"), [
    (503, "30", 30), (429, "Mon, 02 Mar 2026 12:00:10 GMT", 10), (500, "rubbish", None),
])
async def test_the_answer_carries_retry_after(sender, status, value, seconds):
    answer = await answer_of(answers_status(status, f"Retry-After: {value}"), sender)

    assert (answer.status, answer.retry_after_seconds) == (status, seconds)


async def test_an_event_that_the_receiver_cannot_take_stops_no_other(sender):
    """F31: a handler that fails for one event alone; the later ones still get through."""
    async def poisoned(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bad = b"poison" in receiver.requests[-1]
        await answers_status(500 if bad else 200)(reader, writer)

    async with listening(poisoned) as receiver:
        statuses = [
            (await post(sender, receiver.url, body=body)).status
            for body in (b"one", b"poison", b"two", b"poison", b"three")
        ]

    assert statuses == [200, 500, 200, 500, 200]
