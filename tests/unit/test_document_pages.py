"""The pages that show the OpenAPI document work without the internet: a server of one's own needs nobody else's."""

import re

import httpx2
import pytest

from api.main import create_app
from shared.settings import Settings

pytestmark = pytest.mark.anyio

_LINK = re.compile(r'(?:src|href)="([^"]+)"')


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_what_a_page_loads_comes_from_the_server_itself(page: str) -> None:
    transport = httpx2.ASGITransport(create_app(Settings()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://turnstone") as browser:
        links = _LINK.findall((await browser.get(page)).raise_for_status().text)
        assert any(link.endswith(".js") for link in links)
        for link in links:
            assert link.startswith("/"), link
            assert (await browser.get(link)).status_code == 200
