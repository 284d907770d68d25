"""What operators may say about tools of the registry."""

from __future__ import annotations

import pytest

from agents_cfg.models import Tool
from agents_cfg.services.tools import registry_tools_write, tool_save
from taskmapr.core.errors import InvalidInput
from taskmapr.core.tools import registry

pytestmark = pytest.mark.django_db


@pytest.mark.req("OV-05", "OV-72")
def test_every_tool_of_the_registry_has_a_row_that_is_written_once() -> None:
    assert registry_tools_write() == len(registry.all())
    assert registry_tools_write() == 0

    rows = {tool.name: tool for tool in Tool.objects.all()}
    assert set(rows) == {spec.name for spec in registry.all()}
    assert rows["ui.navigate"].is_enabled
    assert rows["ui.navigate"].danger == registry.get("ui.navigate").danger  # type: ignore[union-attr]


def test_what_is_gone_from_the_registry_says_so_and_keeps_its_words() -> None:
    registry_tools_write()
    Tool.objects.create(name="old.tool", danger="dangerous", is_enabled=True)

    registry_tools_write()

    tool = Tool.objects.get(name="old.tool")
    assert (tool.is_present, tool.danger) == (False, "dangerous")


@pytest.mark.req("OV-35")
def test_danger_can_be_raised_and_not_lowered() -> None:
    registry_tools_write()
    tool = Tool.objects.get(name="ui.navigate")
    tool.danger = "dangerous"
    tool_save(tool=tool, by="root")
    Tool.objects.filter(pk=tool.pk).update(own_danger="write")
    tool.refresh_from_db()

    tool.danger = "read"
    with pytest.raises(InvalidInput, match="only be raised"):
        tool_save(tool=tool, by="root")

    tool.refresh_from_db()
    assert tool.danger == "dangerous"


@pytest.mark.req("OV-45")
def test_only_a_tool_with_such_an_argument_can_be_told_the_user() -> None:
    registry_tools_write()
    tool = Tool.objects.get(name="ui.navigate")
    tool.inject_user_id = True

    with pytest.raises(InvalidInput, match="inject_user_id"):
        tool_save(tool=tool, by="root")
