"""The address that the API listens on: bound before anything starts, so that it is known."""

from __future__ import annotations

import resource
import socket

from hakika.cli.failure import CommandFailed

# Connections that the kernel holds for us while we are busy, before it refuses more.
CONNECTIONS_WAITING_MAX = 2048

_EVERYWHERE = {"0.0.0.0", "::", ""}


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes a free one.

    Whoever connects before the API accepts waits.

    Raises:
        CommandFailed: the port is taken, or the address is not this machine's.
    """
    # asyncio switches Nagle's algorithm off only for sockets that name TCP. With it on, head and
    # body of an answer travel 40 ms apart on loopback.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # At once: until one of them listens, Linux lets two of these be bound to the same port.
        listener.listen(CONNECTIONS_WAITING_MAX)
    except OSError as error:
        listener.close()
        raise CommandFailed(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.",
            hint="Choose another with --port, or let Hakika choose: --port 0.",
        ) from error
    return listener


def allow_files(count: int) -> None:
    """Let this process have `count` files and connections open, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def is_free(host: str, port: int) -> bool:
    """Say whether `port` could be bound just now."""
    try:
        bound(host, port).close()
    except CommandFailed:
        return False
    return True


def free_port(host: str) -> int:
    """Return a port that is free just now."""
    with bound(host, 0) as listener:
        return port_of(listener)


def port_of(listener: socket.socket) -> int:
    """Return the port that `listener` is bound to."""
    port: int = listener.getsockname()[1]
    return port


def url_of(host: str, port: int) -> str:
    """Return the address at which this machine reaches what listens on `host`."""
    name = "127.0.0.1" if host in _EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
