"""A TCP proxy that makes one host look far away: what comes goes on half a round trip later.

    python -m tests.bench.delay HOST PORT MILLISECONDS...

One port for each of these round-trip times, which the first line that is printed names. A connection
waits one round trip before its first byte, as a handshake would. Runs to the end of its standard
input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress

HERE = "127.0.0.1"
CHUNK = 64 << 10


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
    """All bytes, each ``late`` seconds after it came; the end of them, too."""
    loop = asyncio.get_running_loop()
    pipe: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        data = b"?"
        while data:
            with suppress(ConnectionError):
                data = await reader.read(CHUNK)
            pipe.put_nowait((loop.time() + late, data))

    taking = asyncio.ensure_future(take())
    try:
        while True:
            due, data = await pipe.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
    except (OSError, RuntimeError):  # the other end has gone
        return
    finally:
        taking.cancel()


async def _serve(there: tuple[str, int], seconds: float) -> int:
    """Listen on a free port for connections to ``there``; gives the port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        far_reader, far_writer = await asyncio.open_connection(*there)
        for each in (writer, far_writer):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            _pass_on(reader, far_writer, seconds / 2), _pass_on(far_reader, writer, seconds / 2)
        )
        writer.close()
        far_writer.close()

    server = await asyncio.start_server(connected, HERE)
    return int(server.sockets[0].getsockname()[1])


async def _main(there: tuple[str, int], times: list[float]) -> None:
    ports = [await _serve(there, time) for time in times]
    print(*ports, flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # with connections under way, as a cable that is cut


if __name__ == "__main__":
    asyncio.run(_main((sys.argv[1], int(sys.argv[2])), [int(ms) / 1000 for ms in sys.argv[3:]]))
