"""httpx against a worker: ask.py URL CERTIFICATE (or ""). Ends with 1 and the reason."""

import asyncio
import os
import ssl
import sys

import httpx

base, cert = sys.argv[1], sys.argv[2]
verify = ssl.create_default_context(cafile=cert) if cert else True
body = os.urandom(1 << 21)


def same(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r:.200}, want {want!r:.200}")


def pieces(n=8):
    for i in range(n):
        yield body[i * len(body) // n : (i + 1) * len(body) // n]


def sync():
    with httpx.Client(base_url=base, verify=verify, trust_env=False, timeout=60) as c:
        r = c.get("/seen")
        same("version", (r.http_version, r.status_code, r.json()["proto"]), ("HTTP/1.1", 200, "HTTP/1.1"))
        same("a body", c.post("/echo", content=body).content, body)
        same("a body in chunks", c.post("/echo", content=pieces()).content, body)
        same("a file", c.post("/seen", files={"file": ("name", body)}).json()["method"], "POST")
        r = c.get("/bytes/1000", headers={"Range": "bytes=16-31"})
        same("a range", (r.status_code, r.text), (206, "0123456789abcdef"))
        r = c.get("/bytes/1000", headers={"If-Modified-Since": r.headers["Last-Modified"]})
        same("not modified", (r.status_code, r.content), (304, b""))
        same("refused", c.post("/refuse", content=body).status_code, 403)
        with c.stream("GET", "/events?n=3") as r:
            lines = [line for line in r.iter_lines() if line.startswith("data:")]
        same("events", [line.strip() for line in lines], ["data: event 1", "data: event 2", "data: event 3"])
        # Leave in the middle: the connection goes, the next request has another.
        with c.stream("GET", "/stream/10000") as r:
            same("the beginning of a stream", next(r.iter_bytes(5)), b"aaaaa")
        same("after it", c.get("/bytes/3").text, "012")


async def asynchronous(http2):
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=base, verify=verify, trust_env=False, timeout=60, http2=http2, limits=limits) as c:
        version = "HTTP/2" if http2 and cert else "HTTP/1.1"  # in clear httpx speaks HTTP/1.1 only
        answers = await asyncio.gather(*(c.get(f"/bytes/{n}") for n in range(1, 201)))
        for n, r in enumerate(answers, 1):
            same(f"answer {n}", (r.http_version, r.status_code, len(r.content)), (version, 200, n))
        echoes = await asyncio.gather(*(c.post("/echo", content=body) for _ in range(4)))
        for r in echoes:
            same("a body", r.content, body)
        async with c.stream("GET", "/stream/30") as r:
            same("a stream", sum([len(b) async for b in r.aiter_bytes()]), 30 << 10)


sync()
asyncio.run(asynchronous(False))
asyncio.run(asynchronous(True))
