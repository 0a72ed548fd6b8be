"""Limits over HTTP: nobody gets more than their share, and nobody pays for another's greed.

The quotas are so small that they take half a minute to refill: no test waits for that, and none
depends on how fast the machine is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from hakika.domain.merchant import Scope, mint_key
from hakika.services import keys, limits, request_log
from hakika.store import limits as table
from hakika.store.transaction import StoreUnavailable
from tests.api.world import Answer, World, free_port, open_world, running, settings_of
from tests.postgres import fresh_database

QUOTA = 2
OF_AN_ADDRESS = 4
FAILURES = 3

SETTINGS = {
    "HAKIKA_KEY_REQUESTS_PER_MINUTE": str(QUOTA),
    "HAKIKA_ADDRESS_REQUESTS_PER_MINUTE": str(OF_AN_ADDRESS),
    "HAKIKA_FAILED_AUTHENTICATIONS_PER_MINUTE": str(FAILURES),
    "HAKIKA_STRAY_CALLBACKS_PER_MINUTE": "2",
    "HAKIKA_UNOWNED_LOG_LINES_PER_MINUTE": "2",
    "HAKIKA_TRUSTED_PROXIES": "127.0.0.0/8",  # so that each test can come from where it likes
}
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"

_addresses = (f"203.0.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


@pytest.fixture(scope="module")
def strict_world(template: str, simulator_url: str) -> Iterator[World]:
    """An API that allows next to nothing."""
    with (
        fresh_database(template) as url,
        open_world(url, simulator_url, more=SETTINGS) as world,
    ):
        yield world


@pytest.fixture(autouse=True)
def fresh_quotas(strict_world):
    """Nothing was taken from any quota by the test before."""
    for each in fields(strict_world.rt.limits):
        getattr(strict_world.rt.limits, each.name)._buckets.clear()


@pytest.fixture
def strict_shop(strict_world, session):
    """A merchant that has done nothing yet."""
    return strict_world.open_shop(session)


def somewhere() -> dict[str, str]:
    """Return the headers of a request from an address that has sent nothing yet."""
    return {"X-Forwarded-For": next(_addresses)}


def wrong_key(number: int) -> str:
    """Return a key that is written like ours, and is nobody's."""
    return mint_key(number * 7919 + 1, livemode=False).write()


async def asked(shop, headers=None, **more):
    return await shop.get("/v1/payments", headers=headers or somewhere(), **more)


async def test_a_key_has_its_quota_and_is_told_where_it_stands(strict_shop):
    """A client that reads the headers never meets the limit."""
    answers = [await asked(strict_shop) for _ in range(QUOTA + 1)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {f'"key";q={QUOTA};w=60'}
    first, second, refused = (answer.headers["RateLimit"] for answer in answers)
    assert first == '"key";r=1;t=30'
    assert second.startswith('"key";r=0;t=') and refused.startswith('"key";r=0;t=')


async def test_whoever_asked_too_often_is_told_when_to_come_again(strict_shop):
    """The problem of the draft, with our code, a hint, and a Retry-After that holds."""
    for _ in range(QUOTA):
        await asked(strict_shop)
    answer = await asked(strict_shop)

    assert answer.problem == (429, "quota_exceeded", [])
    assert answer.body["type"] == QUOTA_EXCEEDED
    assert answer.body["violated-policies"] == ["key"]
    assert answer.body["hint"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert answer.headers["RateLimit"] == f'"key";r=0;t={answer.headers["Retry-After"]}'


async def test_the_quota_of_one_key_is_nobody_elses(strict_world, strict_shop, session):
    """One merchant's loop must not keep another merchant out, nor a second key of the first."""
    for _ in range(QUOTA + 1):
        await asked(strict_shop)
    other = strict_world.open_shop(session)

    assert (await asked(other)).status == 200


async def test_a_key_that_lacks_the_scope_is_counted_too(strict_world, session):
    """Every answer to a request with a key says how it stands, and every one costs."""
    shop = strict_world.open_shop(session, scopes=[Scope.AUDIT_READ])
    answers = [await asked(shop) for _ in range(QUOTA + 1)]

    assert [answer.status for answer in answers] == [403, 403, 429]
    assert all("RateLimit" in answer.headers for answer in answers)


async def test_an_address_has_its_quota_whichever_keys_it_shows(strict_world, session):
    """One machine cannot take the whole process, with however many keys."""
    here = somewhere()
    shops = [strict_world.open_shop(session) for _ in range(OF_AN_ADDRESS + 1)]
    answers = [await asked(shop, here) for shop in shops]

    assert [answer.status for answer in answers] == [200] * OF_AN_ADDRESS + [429]
    assert answers[-1].body["violated-policies"] == ["address"]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "RateLimit" not in answers[-1].headers  # nobody was authenticated
    assert (await asked(shops[-1])).status == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/docs", "/openapi.json"])
async def test_every_path_is_counted(strict_world, strict_shop, path):
    """A route that is added later has its limits from the first day."""
    here = somewhere()
    statuses = [
        (await sent(strict_shop, "GET", path, here)).status for _ in range(OF_AN_ADDRESS + 1)
    ]

    assert statuses[-1] == 429 and 429 not in statuses[:-1]


async def test_load_balancers_may_ask_for_health_as_often_as_they_like(strict_shop):
    """They do, every second, from one address."""
    here = somewhere()
    statuses = {
        (await strict_shop.get(path, key="", headers=here)).status
        for path in ["/healthz", "/readyz"] * (OF_AN_ADDRESS + 1)
    }

    assert statuses == {200}


async def test_an_address_of_ipv6_shares_its_quota_with_its_network(strict_world, session):
    """Its owner has as many addresses as they like."""
    shops = [strict_world.open_shop(session) for _ in range(OF_AN_ADDRESS + 1)]
    answers = [
        await asked(shop, {"X-Forwarded-For": f"2c0f:fe38:1:2::{number:x}"})
        for number, shop in enumerate(shops)
    ]

    assert [answer.status for answer in answers] == [200] * OF_AN_ADDRESS + [429]


async def test_a_header_that_tells_no_address_is_refused(strict_shop):
    """Our own proxy wrote it; to guess would be to let a stranger be somebody else."""
    answer = await asked(strict_shop, {"X-Forwarded-For": "nonsense"})

    assert answer.problem == (400, "forwarded_malformed", [])


async def test_failures_are_limited_and_a_good_key_from_there_still_passes(
    strict_world, strict_shop,
):
    """An office behind one address, with one program in it that has an old key."""
    here = somewhere()
    failed = [
        await asked(strict_shop, here, key=wrong_key(number)) for number in range(FAILURES + 1)
    ]
    lift_address(strict_world, here)
    good = await asked(strict_shop, here)

    assert [answer.status for answer in failed] == [401] * FAILURES + [429]
    assert failed[-1].body["violated-policies"] == ["failed-authentications"]
    assert failed[-1].body["type"] == QUOTA_EXCEEDED
    assert "WWW-Authenticate" not in failed[-1].headers
    assert int(failed[-1].headers["Retry-After"]) >= 1
    assert good.status == 200


async def test_beyond_the_limit_every_wrong_key_is_answered_alike(strict_world, strict_shop):
    """Nobody learns from the answer which part of a guess was right."""
    here = somewhere()
    revoked = strict_world.in_api(keys.all_of_them(strict_world.rt))[-1]
    strict_world.in_api(keys.revoke(strict_world.rt, revoked.handle))
    guesses = [
        "", "nonsense", wrong_key(1), strict_shop.key[:-1] + "0", strict_shop.key,
        strict_shop.key[:16] + wrong_key(2)[16:],
    ]
    for number in range(FAILURES):
        await asked(strict_shop, here, key=wrong_key(number))
    answers = []
    for guess in guesses:
        lift_address(strict_world, here)
        answers.append(await asked(strict_shop, here, key=guess))
    told = [
        {name: value for name, value in answer.body.items() if name != "request_id"}
        for answer in answers
    ]

    assert told == [told[0]] * len(guesses)
    assert told[0]["code"] == "quota_exceeded"


async def test_a_flood_of_made_up_keys_does_not_reach_the_database(
    strict_world, strict_shop, monkeypatch,
):
    """Each of them would be a question to it; together they are one in half a second."""
    here = somewhere()
    for number in range(FAILURES):
        await asked(strict_shop, here, key=wrong_key(number))

    async def no_look_up(*_):
        raise StoreUnavailable("a made-up key was looked up")

    monkeypatch.setattr(keys, "_looked_up", no_look_up)
    statuses = []
    for number in range(100, 110):
        lift_address(strict_world, here)
        statuses.append((await asked(strict_shop, here, key=wrong_key(number))).status)

    assert statuses == [429] * 10


async def test_when_everybody_fails_only_keys_that_exist_are_looked_up(
    strict_world, strict_shop, monkeypatch,
):
    """A flood from a million addresses, each with a try or two: 401 as ever, and no question."""
    for number in range(FAILURES * limits.ALL_FACTOR):
        await asked(strict_shop, key=wrong_key(number))
    looked_up = []
    look_up = keys._looked_up

    async def noted(rt, handle):
        looked_up.append(handle)
        return await look_up(rt, handle)

    monkeypatch.setattr(keys, "_looked_up", noted)
    failed = await asked(strict_shop, key=wrong_key(200))
    good = await asked(strict_shop)

    assert (failed.status, good.status) == (401, 200)
    assert looked_up == [strict_shop.key[8:16]]


async def test_strays_fill_no_table_and_are_thanked_like_all(strict_world, strict_shop):
    """The address is public knowledge but for its token; the answer must not tell them apart."""
    here = somewhere()
    answers = [await called_back(strict_shop, "x" * 52, here) for _ in range(5)]

    assert {(answer.status, answer.raw) for answer in answers} == {(200, answers[0].raw)}
    assert kept_from(strict_world, here) == 2


async def test_a_genuine_callback_is_never_refused(strict_world, strict_shop):
    """A callback that is lost is money that nobody hears of: after strays, beyond every limit."""
    here = somewhere()
    for _ in range(5):
        await called_back(strict_shop, "x" * 52, here)
    token = strict_world.rt.callback_url("pay_01kaxb2m8fe2tv5k0c3y7h9q4d").rpartition("/")[2]
    for _ in range(OF_AN_ADDRESS + 3):
        await called_back(strict_shop, token, here)

    rows = strict_world.rows(
        "select reason from quarantine where source_address = %s order by id",
        here["X-Forwarded-For"],
    )
    assert [row["reason"] for row in rows] == (
        ["unknown_address"] * 2 + ["unreadable"] * (OF_AN_ADDRESS + 3)
    )


async def test_strays_from_safaricom_are_all_kept(strict_world, strict_shop):
    """Then the mistake is ours: a secret that differs between machines."""
    safaricom = {"X-Forwarded-For": "196.201.214.200"}
    for _ in range(5):
        await called_back(strict_shop, "x" * 52, safaricom)

    assert kept_from(strict_world, safaricom) == 5


async def test_a_callback_through_a_proxy_that_tells_no_address_is_kept(strict_world, strict_shop):
    """Everybody else is refused then; a callback must not be."""
    token = strict_world.rt.callback_url("pay_01kaxb2m8fe2tv5k0c3y7h9q4d").rpartition("/")[2]
    answer = await called_back(strict_shop, token, {"X-Forwarded-For": "nonsense"})

    assert answer.status == 200
    assert kept_from(strict_world, {"X-Forwarded-For": "127.0.0.1"}) == 1


async def test_strays_of_everybody_together_are_bounded(strict_world, strict_shop):
    """A million addresses with one stray each fill no table either."""
    before = len(strict_world.rows("select 1 from quarantine where reason = 'unknown_address'"))
    for _ in range(2 * limits.ALL_FACTOR + 5):
        await called_back(strict_shop, "x" * 52, somewhere())
    after = len(strict_world.rows("select 1 from quarantine where reason = 'unknown_address'"))

    assert after - before <= 2 * limits.ALL_FACTOR


async def test_requests_of_nobody_and_refused_ones_do_not_fill_the_log(strict_world, strict_shop):
    """A flood would else be written down, line by line; what a key was allowed is all there."""
    marked = [somewhere() | {"X-Request-Id": f"flood-{number}"} for number in range(4)]
    for headers in marked:
        await asked(strict_shop, headers, key="")
    for number in range(QUOTA + 3):
        await asked(strict_shop, somewhere() | {"X-Request-Id": f"mine-{number}"})
    strict_world.in_api(request_log.write_notes(strict_world.rt))
    found = {
        each.request_id for each in strict_world.in_api(request_log.find_any(
            strict_world.rt, limit=1000,
        ))
    }

    assert {"mine-0", "mine-1"} <= found
    assert len([each for each in found if each.startswith("flood-")]) == 2
    assert not {"mine-2", "mine-3", "mine-4"} & found


async def test_two_processes_know_of_each_other(strict_world, strict_shop, session):
    """A quota that doubles with each process is no quota."""
    settings = settings_of(strict_world.database_url, strict_world.simulator, **SETTINGS)
    port = free_port()
    with running(settings, port=port) as (rt, in_api):
        assert [(await asked(strict_shop)).status for _ in range(QUOTA)] == [200] * QUOTA
        strict_world.in_api(shared(strict_world.rt))
        elsewhere = replace(strict_shop, world=strict_world.at(f"http://127.0.0.1:{port}"))
        first = await asked(elsewhere)  # not known there yet: so much may be too much
        in_api(shared(rt))
        second = await asked(elsewhere)

    assert (first.status, second.status) == (200, 429)


async def test_limits_hold_when_the_database_is_away(strict_world, strict_shop, monkeypatch):
    """What could not be told is kept, and told later."""
    rt = strict_world.rt
    with monkeypatch.context() as patched:
        patched.setattr(table, "take", away)
        for _ in range(QUOTA):
            await asked(strict_shop)
        assert strict_world.in_api(shared(rt)) == 0
        assert (await asked(strict_shop)).status == 429
    strict_world.in_api(shared(rt))
    key = strict_world.rows("select id from api_keys where handle = %s", strict_shop.key[8:16])[0]

    assert strict_world.rows("select 1 from limits where subject = %s", f"by_key {key['id']}")


async def away(*_):
    raise StoreUnavailable("The database cannot be reached just now.")


async def shared(rt):
    return await limits.share(rt.limits, rt.store, rt.ticks)


async def sent(shop, method, path, headers, **more):
    """Send a request without a key, to a door that /openapi.json says nothing of."""
    async with shop.session.request(
        method, shop.world.url + path, headers=headers, **more,
    ) as response:
        return Answer(response.status, response.headers, await response.read())


async def called_back(shop, token, headers):
    return await sent(shop, "POST", f"/c/{token}", headers, data=b"{}")


def kept_from(world, headers) -> int:
    return len(world.rows(
        "select 1 from quarantine where source_address = %s", headers["X-Forwarded-For"],
    ))


def lift_address(world, headers) -> None:
    """Give an address its quota of requests back, so that a test can look at another limit."""
    world.rt.limits.by_address._buckets.pop(headers["X-Forwarded-For"], None)
