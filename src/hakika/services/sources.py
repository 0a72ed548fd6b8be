"""Whether a message to us came from Safaricom, as far as an address can tell."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import structlog

from hakika.services.runtime import Runtime

log = structlog.get_logger(__name__)


def is_trusted(rt: Runtime, address: str) -> bool:
    """Say whether what comes from `address` is believed, as the settings have it."""
    mode = rt.settings.callback_sources
    if mode == "off" or is_listed(rt, address):
        return True
    log.warning("callback_from_unlisted_address", address=address, refused=mode == "enforce")
    return mode == "log"


def is_listed(rt: Runtime, address: str) -> bool:
    """Say whether `address` is in the networks that Safaricom calls from."""
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return any(peer in ip_network(network) for network in rt.settings.callback_networks)
