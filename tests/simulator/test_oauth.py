"""Tokens: how they are got, refused, and how a stale one is answered."""

import pytest

from tests.simulator.world import Daraja, basic


async def test_a_token_has_28_signs_and_says_its_life_as_a_string(daraja: Daraja) -> None:
    """Clients have been caught by `expires_in` being a string: it must be one here."""
    answer = await daraja.ask_token(basic("key", "secret"))

    assert answer.status == 200
    assert answer.json["expires_in"] == "3599"
    assert len(answer.json["access_token"]) == 28


async def test_bad_credentials_get_400_and_an_empty_body(open_daraja) -> None:
    async with open_daraja(credentials=frozenset({("key", "secret")})) as daraja:
        answer = await daraja.ask_token(basic("key", "guess"))

        assert (answer.status, answer.text) == (400, "")


async def test_another_way_to_log_in_is_named_as_the_fault(daraja: Daraja) -> None:
    answer = await daraja.ask_token("Bearer x")

    assert answer.refusal[:2] == (400, "400.008.01")


async def test_another_grant_is_named_as_the_fault(daraja: Daraja) -> None:
    answer = await daraja.ask_token(basic("key", "secret"), grant="password")

    assert answer.refusal[:2] == (400, "400.008.02")


@pytest.mark.parametrize(
    ("bearer", "refusal"),
    [
        ("Bearer never-issued", (404, "404.001.03", "Invalid Access Token")),
        ("", (404, "404.001.04", "Invalid Authentication Header")),
    ],
)
async def test_a_push_without_a_good_token_is_refused(daraja: Daraja, bearer, refusal) -> None:
    daraja.bearer = bearer

    answer = await daraja.push()

    assert answer.refusal == refusal


async def test_an_expired_token_is_refused(daraja: Daraja) -> None:
    await daraja.control("POST", "tokens/expire")

    answer = await daraja.push()

    assert answer.refusal == (404, "404.001.03", "Invalid Access Token")


async def test_a_token_dies_after_3599_seconds(open_daraja, monkeypatch) -> None:
    """Real expiry: the clock moves on, and the token is stale."""
    monkeypatch.setattr("hakika_simulator.tokens.LIFE_SECONDS", -1.0)
    async with open_daraja() as daraja:
        answer = await daraja.push()

        assert answer.refusal == (404, "404.001.03", "Invalid Access Token")


@pytest.mark.parametrize(("switch", "status"), [(False, 200), (True, 404)])
async def test_a_new_token_kills_the_old_one_only_if_switched(
    daraja: Daraja, switch, status
) -> None:
    await daraja.turn(invalidate_previous_token=switch)
    await daraja.ask_token(basic("key", "secret"))

    answer = await daraja.push()

    assert answer.status == status


async def test_an_oauth_outage_is_a_web_page(daraja: Daraja) -> None:
    await daraja.turn(oauth_outage=True)

    answer = await daraja.ask_token(basic("key", "secret"))

    assert answer.status == 503
    assert "Incapsula" in answer.text
