"""websockets against a worker: talk.py URL CERTIFICATE (or ""). Prints a line when it only waits
for the worker's drain; ends with 1 and the reason."""

import asyncio
import os
import ssl
import sys

import websockets

base, cert = sys.argv[1], sys.argv[2]
context = ssl.create_default_context(cafile=cert) if cert else None


def connect(path, **options):
    return websockets.connect(base + path, ssl=context, open_timeout=60, close_timeout=60, max_size=None, **options)


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r:.200}, want {want!r:.200}")


async def talk(path, compression, size):
    async with connect(path, compression=compression) as c:
        names = [e.name for e in c.extensions]
        same(f"{path}: extensions", names, ["permessage-deflate"] if compression and path == "/ws" else [])
        messages = ["", "grüß dich \U0001f600", b"", bytes(range(256)), "x" * size, os.urandom(size)]
        for m in messages:
            await c.send(m)
            same(f"{path}: a message", await c.recv(), m)
        await c.send(iter(["in ", "three ", "fragments"]))
        same(f"{path}: fragments", await c.recv(), "in three fragments")
        await (await c.ping(b"are you there"))
        # Many at once, read later.
        count = 500
        for i in range(count):
            await c.send(f"message {i}")
        for i in range(count):
            same(f"{path}: in order", await c.recv(), f"message {i}")
        await c.close(4000, "enough")
        same(f"{path}: close code", c.close_code, 4000)


async def too_large():
    async with connect("/ws/plain") as c:
        try:
            await c.send(b"x" * (2 << 20))
            await c.recv()
        except websockets.ConnectionClosed:
            pass
        same("close code of what is too large", c.close_code, 1009)


async def drained():
    many = [await connect(path) for path in ["/ws", "/ws/plain"] * 10]
    for c in many:
        await c.send("here")
        same("before the drain", await c.recv(), "here")
    print("waiting for the drain", flush=True)
    for c in many:
        await asyncio.wait_for(c.wait_closed(), 60)
        same("close code at the drain", c.close_code, 1012)


async def main():
    await asyncio.gather(
        *(talk(path, compression, 200_000) for path in ["/ws", "/ws/plain"] for compression in ["deflate", None] for _ in range(5)),
        too_large(),
    )
    await drained()


asyncio.run(main())
