"""How long one owner's first turns wait while another has thousands queued: `python -m bench.fairness`.

Owner A queues turns of a second each; once they are accepted, owner B sends turns, one after another. What is told is
the time from B's request to the start of its turn on a worker: once with the default share, once with a share that
keeps nobody back.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time

import httpx2

from bench.stack import Stack, started

SLOTS = 32
QUEUED = 2000
TURNS = 10
POSTERS = 8
_BODY = {"model": "bench", "background": True}
_SECOND = _BODY | {"input": "[[n=11 r=10]]"}
_SHORT = _BODY | {"input": "[[n=1 r=0]]"}


async def waits(share: int, queued: int, turns: int) -> list[float]:
    """Seconds that each of B's turns waited, while A had `queued` of them."""
    with tempfile.TemporaryDirectory(prefix="turnstone-fairness-") as name:
        os.environ |= {
            "TURNSTONE_WORKER_CONCURRENCY": str(SLOTS),
            "TURNSTONE_TURNS_PER_OWNER": str(share),
            "TURNSTONE_BOOTSTRAP_KEY_FILE": f"{name}/operator.key",
        }
        async with started() as stack, _client(stack, "a") as a, _client(stack, "b") as b:
            await _queue(a, queued)
            return [await _wait_of_one(b) for _ in range(turns)]


def _client(stack: Stack, owner: str) -> httpx2.AsyncClient:
    command = [sys.executable, "-m", "shared.cli", "keys", "create", "--owner", owner]
    environment = os.environ | {"TURNSTONE_DATA_DIR": str(stack.data)}
    key = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    url = f"http://127.0.0.1:{stack.port}/v1"
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


async def _queue(client: httpx2.AsyncClient, count: int) -> None:
    left = iter(range(count))

    async def post() -> None:
        for _ in left:
            (await client.post("/responses", json=_SECOND)).raise_for_status()

    await asyncio.gather(*(post() for _ in range(POSTERS)))


async def _wait_of_one(client: httpx2.AsyncClient) -> float:
    sent_at = time.time()
    response_id = (await client.post("/responses", json=_SHORT)).raise_for_status().json()["id"]
    while True:
        facts = (await client.get(f"/responses/{response_id}")).json()["turnstone"]
        if facts.get("ended_at"):
            return float(facts["started_at"]) - sent_at
        await asyncio.sleep(0.05)


def main() -> None:
    """Measure both shares; a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--queued", type=int, default=QUEUED, help="turns of owner A")
    queued = parser.parse_args().queued
    print(f"| A's queued turns | A's share of {SLOTS} slots | B's first turn waits | its next ones: median, longest |")
    print("|---|---|---|---|")
    for share, turns in ((SLOTS // 2, TURNS), (10 * queued, 2)):
        first, *rest = asyncio.run(waits(share, queued, turns))
        told = share if share < SLOTS else "all"
        print(f"| {queued} | {told} | {first:.2f} s | {statistics.median(rest):.2f} s, {max(rest):.2f} s |", flush=True)


if __name__ == "__main__":
    main()
