from __future__ import annotations

import pytest

from orchestration.targets.sites import SiteAccount

PASSWORD = 'a&b<c>"d'


@pytest.mark.req("TQ-30")
@pytest.mark.parametrize(
    "page",
    [
        'a&b<c>"d',
        '<p>a&amp;b&lt;c&gt;"d</p>',
        '<p title="a&amp;b<c>&quot;d"></p>',
        '<p title="a&amp;b&lt;c&gt;&quot;d"></p>',
    ],
)
def test_a_password_is_masked_however_a_page_spells_it(page: str) -> None:
    masked = SiteAccount(username="ann", password=PASSWORD).masked(page)

    assert "[redacted]" in masked
    assert "b<c" not in masked
    assert "b&lt;c" not in masked
