"""Connections to checked addresses only: where an address that is not public is really stopped.

A name can be public when it is registered and private a second later, so each connection resolves
it anew, drops the addresses that may not be called, and goes to one of those that are left: no
second look-up lies between the check and the connection. A connection that is kept for the next
webhook stays with the address that was checked, whatever the name has become. A host written as a
number never meets a resolver, so the last word is spoken where sockets are made: `guarded_sockets`
sees the very address that the kernel will be given, whatever way it came.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from hakika.outbound.addresses import Address, AllowList, is_public

Lookup = Callable[[str], Awaitable[Sequence[Address]]]

# What one endpoint may hold is bounded where deliveries are begun (domain/lane.py). These are for
# everything at one host and port, such as a service that many merchants use; and in all, below the
# 1024 open files that a Linux process gets by default.
CONNECTIONS_PER_HOST_MAX = 64
CONNECTIONS_MAX = 500

# Below the 5 s after which some servers (Node's) hang up on who says nothing: a server that hangs
# up just as we write has probably not heard us, but nobody can be sure.
KEPT_SECONDS = 4.0

# A name server that never answers holds its thread for as long as resolv.conf says (often 30 s),
# and nothing can stop it. These threads are ours alone: asyncio's own would be starved, and with
# them every other look-up of this process, Daraja's included.
LOOKUP_THREADS = 32

# More are of no use to a merchant; a hostile name could have thousands.
ADDRESSES_PER_NAME_MAX = 8


class AddressRefused(OSError):
    """The host's address is private, local or reserved. Nothing was sent.

    The text never says which address it was: a merchant must not learn our network from it.
    """

    def __init__(self) -> None:
        super().__init__("The host has no public address.")


class Names:
    """The system's resolver, on threads of its own. Call `close` when done."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="webhook-names")
        self._running: dict[str, asyncio.Future[Sequence[Address]]] = {}

    async def lookup(self, host: str) -> Sequence[Address]:
        """Return the addresses of `host` as they are now: nothing is remembered.

        A look-up of the same name that is under way is joined, so that a name that hangs holds one
        thread however many webhooks wait for it.
        """
        if host not in self._running:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, _ask_system, host)
            self._running[host] = asked
            asked.add_done_callback(lambda done: self._forget(host, done))
        return await asyncio.shield(self._running[host])

    def close(self) -> None:
        """Let the threads go; a look-up that hangs is not waited for."""
        self._threads.shutdown(wait=False)

    def _forget(self, host: str, done: asyncio.Future[Sequence[Address]]) -> None:
        del self._running[host]
        if not done.cancelled():
            done.exception()  # whoever asked may have given up: asyncio is not to complain of that


def _ask_system(host: str) -> Sequence[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # Python's way to say that a label is too long
        raise OSError(str(error)) from error
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


class GuardedResolver(AbstractResolver):
    """Resolves names to public addresses, or raises AddressRefused when a name has none."""

    def __init__(self, allow: AllowList, lookup: Lookup) -> None:
        self._allow, self._lookup = allow, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that may be called, in the resolver's order."""
        found = await self._lookup(host)
        public = [address for address in found if is_public(address, self._allow)]
        if not public:
            raise AddressRefused
        return [
            ResolveResult(
                hostname=host, host=str(address), port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004
                proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST,
            )
            for address in public[:ADDRESSES_PER_NAME_MAX]
        ]

    async def close(self) -> None:
        """Nothing to close: the look-up belongs to who opened it."""


def guarded_sockets(allow: AllowList) -> aiohttp.SocketFactoryType:
    """Return what makes sockets for public addresses and raises AddressRefused for all others."""

    def open_socket(addr_info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, proto, _, sockaddr = addr_info
        if family not in {socket.AF_INET, socket.AF_INET6}:
            raise AddressRefused
        if not is_public(ip_address(str(sockaddr[0])), allow):
            raise AddressRefused
        return socket.socket(family, kind, proto)

    return open_socket


def open_connector(
    allow: AllowList, *, lookup: Lookup, tls: ssl.SSLContext | None = None, keep: bool = False,
) -> aiohttp.TCPConnector:
    """Return a connector that reaches public addresses only. Call it with a loop running.

    `tls` replaces the system's trusted certificates. With `keep`, connections serve again.
    """
    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allow, lookup),
        socket_factory=guarded_sockets(allow),
        use_dns_cache=False,
        force_close=not keep,
        keepalive_timeout=KEPT_SECONDS if keep else None,
        limit=CONNECTIONS_MAX,
        limit_per_host=CONNECTIONS_PER_HOST_MAX,
        ssl=tls or True,
    )
