#!/usr/bin/env python3
"""A line to a server, as long as wanted: passes on what comes, later, and counts HTTP requests and bytes.

usage: line.py LISTEN SERVER CONTROL MILLISECONDS [RATE]

Ports of 127.0.0.1; what a round trip takes longer; MB a second that pass in each direction, as many as can be
without it.

Whoever connects to CONTROL is told requests, bytes up and bytes down since the last who did, and how many of
the requests create or list, for which stores charge more.
"""
import asyncio
import sys

listen, server, control, milliseconds = map(int, sys.argv[1:5])
delay = milliseconds / 2000
rate = float(sys.argv[5]) * 1e6 if len(sys.argv) > 5 else float("inf")
# When the line has room again, for all connections.
free = {"up": 0.0, "down": 0.0}
counts = {"requests": 0, "up": 0, "down": 0, "dear": 0}
VERBS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")


async def carry(reader, writer, direction):
    """Each piece arrives later by the delay; pieces follow each other without waiting."""
    queue = asyncio.Queue(maxsize=4096)
    loop = asyncio.get_running_loop()

    async def deliver():
        while (item := await queue.get()) is not None:
            due, piece = item
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            writer.write(piece)
            await writer.drain()
        writer.close()

    task = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(1 << 16):
            counts[direction] += len(piece)
            # A request begins a piece: no client here sends one before it has the last one's answer.
            if direction == "up" and piece.startswith(VERBS):
                counts["requests"] += 1
                head = piece.split(b"\r\n", 1)[0]
                counts["dear"] += head.startswith((b"PUT ", b"POST ")) or b"list-type=" in head
            free[direction] = max(free[direction], loop.time()) + len(piece) / rate
            await queue.put((free[direction] + delay, piece))
    except ConnectionError:
        pass
    await queue.put(None)
    try:
        await task
    except ConnectionError:
        pass


async def accept(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", server)
    await asyncio.gather(carry(reader, back, "up"), carry(there, writer, "down"))


async def tell(_, writer):
    writer.write(f"{counts['requests']} {counts['up']} {counts['down']} {counts['dear']}\n".encode())
    counts.update(requests=0, up=0, down=0, dear=0)
    await writer.drain()
    writer.close()


async def main():
    await asyncio.start_server(accept, "127.0.0.1", listen)
    async with await asyncio.start_server(tell, "127.0.0.1", control) as told:
        await told.serve_forever()


asyncio.run(main())
