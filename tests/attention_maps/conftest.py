"""Pages that must have no messages and no requests."""

import pytest

from minitf.attention_maps import page
from tests.support import browser


@pytest.fixture
def visit(chromium, tmp_path):
    """Return a function that writes and opens a page; at the end, check that no page had messages or requests."""
    visits = []

    def open_page(text, fragment="", **more):
        path = tmp_path / f"maps{len(visits)}.html"
        page.save(text, path)
        visits.append(browser.Visit(chromium, path, fragment, **more))
        return visits[-1]

    yield open_page
    for each in visits:
        assert each.messages == []
        assert {url.partition("#")[0] for url in each.requests} == {each.url}
        each.close()
