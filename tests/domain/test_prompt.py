"""Whose phone is guarded: everybody's, but for the sandbox's published number in test mode."""

from __future__ import annotations

from dataclasses import replace

from hakika.domain.msisdn import Msisdn
from hakika.domain.payment import State
from hakika.domain.prompt import NO_PROMPT, TEST_PAYER, rings_a_person
from tests.store.world import asked, new_id


def test_only_the_published_number_in_test_mode_rings_nobody():
    """Live, even that number may be somebody's."""
    payment = replace(asked(new_id("mer")).after, payer=TEST_PAYER)  # type: ignore[arg-type]

    assert not rings_a_person(payment)
    assert rings_a_person(replace(payment, livemode=True))
    assert rings_a_person(replace(payment, payer=Msisdn("254708374148")))


def test_a_prompt_may_be_on_the_phone_while_the_outcome_is_open():
    """Sending counts: Daraja may have been asked."""
    assert set(State) - NO_PROMPT == {State.SENDING, State.PENDING, State.UNKNOWN}
