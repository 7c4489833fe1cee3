"""Whether events come through a public address one by one, as a client there would see it."""

import asyncio

import aiohttp

from shared import clock, probe
from shared.cli.doctor_checks import Trouble
from shared.settings import secret_from_environment

KEY_VARIABLE = "OPENAI_API_KEY"
ADVICE = f"check the address, and that {KEY_VARIABLE} in the environment is a key that it takes"
_SECONDS = 30


def check(base_url: str) -> str:
    """What was found; raises Trouble when something in between holds the events back."""
    arrivals = asyncio.run(_arrivals(base_url.rstrip("/").removesuffix("/v1") + probe.PATH))
    span = f"{len(arrivals)} events within {arrivals[-1] - arrivals[0]:.2f} s" if arrivals else "no events"
    if not probe.came_one_by_one(arrivals):
        raise Trouble(
            f"held back by something in between: {span}, sent {probe.PAUSE_SECONDS:g} s apart",
            "have the proxy neither buffer nor compress text/event-stream; docs/deployment.md has lines for several",
        )
    return f"arrive one by one: {span}"


async def _arrivals(url: str) -> list[float]:
    key = secret_from_environment(KEY_VARIABLE)
    # As browsers and SDKs ask: only then does a proxy compress.
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip, deflate"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session, session.get(url) as answer:
        if answer.status != 200:
            raise Trouble(f"{url} answered {answer.status}", ADVICE)
        return [clock.monotonic() async for line in answer.content if line.startswith(b"event: ")]
