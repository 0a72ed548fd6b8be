"""`python -m bench.receiver SOCKET`: the merchant's server. It thanks for each webhook, and tells
the load generator, on a Unix socket, which payment it was about and when it came.

A payment is known by its reference, which the load generator chose: it is in every webhook.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from bench import processes, wire

THANKS = wire.answer(b"{}")
_MARK = b'"reference":"'


async def run(socket_path: str) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, socket_path)

    def hear(message: wire.Message) -> bytes:
        came_at = time.monotonic_ns()
        reference = message.body.partition(_MARK)[2].partition(b'"')[0]
        transport.write(b"%s %d\n" % (reference, came_at))
        return THANKS

    processes.say({"port": await wire.serve(hear)})
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1]))
