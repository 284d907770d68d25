"""Overlay and model profiles in the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import ModelProfile, OverlayProfile

pytestmark = pytest.mark.django_db

PROFILES = "/admin/agents_cfg/overlayprofile/"
MODELS = "/admin/agents_cfg/modelprofile/"


def profile_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "allowed_origins": "https://shop.example.com",
        "routes": "",
        "tools": ["ui.navigate"],
        "disconnect_policy": "cancel",
        "max_output_tokens": "4096",
        **changes,
    }


def model_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "own",
        "model": "openai/own",
        "adapter": "auto",
        "timeout_s": "60",
        "is_enabled": "on",
        **changes,
    }


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


@pytest.mark.req("OV-72")
@pytest.mark.parametrize("address", [PROFILES, MODELS])
def test_lists_fifty_rows_with_at_most_twelve_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, address: str
) -> None:
    last = None
    for number in range(50):
        last = ModelProfile.objects.create(name=f"m{number}", model="x/unpriced", fallback=last)
        OverlayProfile.objects.create(name=f"p{number}", model=last)

    with django_assert_max_num_queries(12):
        body = admin_client.get(address).content.decode()

    assert "m49" in body


@pytest.mark.parametrize(
    ("address", "words"), [(PROFILES, "No profiles yet"), (MODELS, "No models yet")]
)
def test_empty_lists_say_what_holds_instead(admin_client: Client, address: str, words: str) -> None:
    assert words in admin_client.get(address).content.decode()


@pytest.mark.req("OV-40")
def test_a_profile_is_saved_through_the_service(admin_client: Client) -> None:
    OverlayProfile.objects.create(name="old", is_default=True)

    admin_client.post(f"{PROFILES}add/", profile_form(is_default="on"))
    profile = OverlayProfile.objects.get(name="shop")
    admin_client.post(
        f"{PROFILES}{profile.pk}/change/", profile_form(is_default="on", instructions="Be brief.")
    )

    profile.refresh_from_db()
    assert (profile.version, profile.is_default, profile.tools) == (2, True, ["ui.navigate"])
    assert not OverlayProfile.objects.get(name="old").is_default


def test_a_malformed_origin_is_named_beside_its_field(admin_client: Client) -> None:
    answer = admin_client.post(f"{PROFILES}add/", profile_form(allowed_origins="shop"))

    assert "is not an origin" in errors_of(answer)["allowed_origins"][0]
    assert not OverlayProfile.objects.exists()


@pytest.mark.req("OV-40")
def test_lists_and_routes_are_filled_line_by_line(admin_client: Client) -> None:
    given = profile_form(
        allowed_origins="https://a.example\r\n\r\n https://b.example \r\n",
        routes="/tags Tags of all\r\n/about",
        keywords="task\r\nteam",
    )
    admin_client.post(f"{PROFILES}add/", given)

    profile = OverlayProfile.objects.get(name="shop")
    assert profile.allowed_origins == ["https://a.example", "https://b.example"]
    assert profile.routes == [
        {"path": "/tags", "title": "Tags of all"},
        {"path": "/about", "title": ""},
    ]
    assert profile.keywords == ["task", "team"]

    form = admin_client.get(f"{PROFILES}{profile.pk}/change/").context["adminform"].form
    assert form["routes"].value() == "/tags Tags of all\n/about"
    assert form["keywords"].value() == "task\nteam"


def test_a_malformed_route_is_named_by_its_line(admin_client: Client) -> None:
    answer = admin_client.post(f"{PROFILES}add/", profile_form(routes="/tags Tags\r\ntags"))

    assert errors_of(answer)["routes"][0].startswith("route 2:")


@pytest.mark.req("OV-40")
def test_each_version_is_on_record_with_what_changed(admin_client: Client) -> None:
    admin_client.post(f"{PROFILES}add/", profile_form(instructions="Be brief."))
    profile = OverlayProfile.objects.get(name="shop")
    change = f"{PROFILES}{profile.pk}/change/"
    admin_client.post(change, profile_form(instructions="Be kind.", keywords="task"))
    admin_client.post(change, profile_form(instructions="Be kind.", keywords="task"))

    shown = admin_client.get(f"{PROFILES}{profile.pk}/versions/").context["versions"]

    assert [v["row"].version for v in shown] == [2, 1]
    assert shown[0]["changes"] == [
        ("instructions", "Be brief.", "Be kind."),
        ("keywords", "(empty)", "task"),
    ]
    assert shown[1]["changes"] == []


@pytest.mark.req("OV-40", "OV-71")
def test_the_first_change_of_a_profile_that_was_seeded_is_on_record_too(
    admin_client: Client,
) -> None:
    profile = OverlayProfile.objects.create(name="shop", instructions="Be brief.", version=3)
    admin_client.post(f"{PROFILES}{profile.pk}/change/", profile_form(instructions="Be kind."))

    answer = admin_client.get(f"{PROFILES}{profile.pk}/versions/")

    shown = answer.context["versions"]
    assert [(v["row"].version, v["row"].created_at) for v in shown][1] == (3, profile.updated_at)
    assert ("instructions", "Be brief.", "Be kind.") in shown[0]["changes"]
    assert "nobody on record" in answer.content.decode()


def test_a_copy_behaves_the_same_under_a_new_name_and_for_no_site(admin_client: Client) -> None:
    first = OverlayProfile.objects.create(
        name="shop",
        is_default=True,
        instructions="Be brief.",
        allowed_origins=["https://a.example"],
    )
    chosen = {"action": "copy_profiles", "_selected_action": str(first.pk)}

    assert "belongs to no site yet" in admin_client.post(PROFILES, chosen).content.decode()
    assert OverlayProfile.objects.count() == 1
    for _ in range(2):
        admin_client.post(PROFILES, {**chosen, "confirmed": "yes"})

    copies = list(OverlayProfile.objects.exclude(pk=first.pk))
    assert [copy.name for copy in copies] == ["shop-copy", "shop-copy-2"]
    for copy in copies:
        assert (copy.instructions, copy.allowed_origins, copy.is_default) == (
            "Be brief.",
            [],
            False,
        )
        assert copy.version == 1


def test_only_tools_that_exist_can_be_chosen(admin_client: Client) -> None:
    answer = admin_client.post(f"{PROFILES}add/", profile_form(tools=["rm.everything"]))

    assert "tools" in errors_of(answer)


def test_a_tool_that_is_gone_stays_chosen_until_taken_away(admin_client: Client) -> None:
    profile = OverlayProfile.objects.create(name="shop", tools=["gone.tool"])

    body = admin_client.get(f"{PROFILES}{profile.pk}/change/").content.decode()

    assert "gone.tool: not installed" in body


@pytest.mark.req("OV-40")
def test_all_tools_of_a_provider_are_one_choice(admin_client: Client) -> None:
    profile = OverlayProfile.objects.create(name="shop", is_default=True)

    body = admin_client.get(f"{PROFILES}{profile.pk}/change/").content.decode()
    assert "knowledge.*: Every tool whose name begins so" in body
    assert "ui.*" not in body
    assert "not installed" not in body
    assert re.search(r"field-offered[^>]*>\s*9\s*<", admin_client.get(PROFILES).content.decode())

    admin_client.post(f"{PROFILES}{profile.pk}/change/", profile_form(tools=["knowledge.*"]))
    profile.refresh_from_db()
    assert profile.tools == ["knowledge.*"]


def test_the_default_profile_cannot_be_deleted(admin_client: Client) -> None:
    default = OverlayProfile.objects.create(name="default", is_default=True)
    other = OverlayProfile.objects.create(name="other")

    assert admin_client.get(f"{PROFILES}{default.pk}/delete/").status_code == 403
    assert admin_client.get(f"{PROFILES}{other.pk}/delete/").status_code == 200


@pytest.mark.req("OV-06")
def test_a_models_key_goes_in_and_never_comes_out(admin_client: Client) -> None:
    admin_client.post(f"{MODELS}add/", model_form(api_key="sk-very-secret"))
    profile = ModelProfile.objects.get()
    assert profile.api_key == "sk-very-secret"

    for address in (MODELS, f"{MODELS}{profile.pk}/change/"):
        assert "sk-very-secret" not in admin_client.get(address).content.decode()

    admin_client.post(f"{MODELS}{profile.pk}/change/", model_form(timeout_s="30"))
    profile.refresh_from_db()
    assert (profile.api_key, profile.timeout_s) == ("sk-very-secret", 30.0)

    admin_client.post(f"{MODELS}{profile.pk}/change/", model_form(api_key_remove="on"))
    profile.refresh_from_db()
    assert not profile.api_key


@pytest.mark.req("OV-06")
@pytest.mark.parametrize(
    ("changes", "is_stored"),
    [
        ({"base_url": "https://elsewhere.example/v1"}, False),
        ({"base_url": "http://models.example/v1"}, False),
        ({"base_url": ""}, True),
        ({"base_url": "https://models.example/v2"}, True),
        ({"base_url": "https://elsewhere.example/v1", "api_key": "sk-other"}, True),
        ({"base_url": "https://elsewhere.example/v1", "api_key_remove": "on"}, True),
    ],
)
def test_a_stored_key_is_not_led_to_another_host(
    admin_client: Client, changes: dict[str, str], *, is_stored: bool
) -> None:
    profile = ModelProfile.objects.create(
        name="own", model="openai/own", base_url="https://models.example/v1", api_key="sk-secret"
    )

    answer = admin_client.post(f"{MODELS}{profile.pk}/change/", model_form(**changes))

    profile.refresh_from_db()
    assert (profile.base_url == changes["base_url"]) is is_stored
    if not is_stored:
        assert errors_of(answer)["api_key"] == ["It would be sent to another host: type it again."]


def test_a_circle_of_fallbacks_is_named_beside_its_field(admin_client: Client) -> None:
    first = ModelProfile.objects.create(name="first", model="x/y")
    second = ModelProfile.objects.create(name="own", model="openai/own", fallback=first)

    answer = admin_client.post(
        f"{MODELS}{first.pk}/change/", model_form(name="first", fallback=str(second.pk))
    )

    assert errors_of(answer)["fallback"] == ["leads back to this profile"]


def test_costs_are_computed_or_unknown_and_never_nothing(admin_client: Client) -> None:
    ModelProfile.objects.create(
        name="priced", model="x/y", input_price_usd="0.25", output_price_usd="2"
    )
    ModelProfile.objects.create(name="unpriced", model="x/y")

    body = admin_client.get(MODELS).content.decode()

    assert "$ 0.0016" in body
    assert "unknown" in body
    assert "$ 0.0000" not in body
