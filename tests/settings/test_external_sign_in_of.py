import pytest

from taskmapr.settings.env import Env
from taskmapr.settings.sign_in import ExternalSignIn, external_sign_in_of

URL = "https://p.supabase.co"


def of(**values: str) -> ExternalSignIn:
    return external_sign_in_of(Env({f"SUPABASE_{name}": value for name, value in values.items()}))


@pytest.mark.req("OV-60", "OV-55")
def test_without_settings_there_is_no_external_sign_in() -> None:
    found = of()
    assert (found.is_named, found.is_configured) == (False, False)
    assert found == ExternalSignIn()


@pytest.mark.req("OV-53", "OV-54")
def test_the_projects_address_is_enough() -> None:
    found = of(URL=f"{URL}/")
    assert found.jwks_urls == (
        f"{URL}/auth/v1/.well-known/jwks.json",
        f"{URL}/auth/v1/jwks",
    )
    assert found.issuer == f"{URL}/auth/v1"
    assert found.algorithms == ("HS256", "RS256", "ES256")
    assert found.audiences == {"authenticated"}
    assert found.is_named
    assert found.is_configured


@pytest.mark.req("OV-53", "OV-54")
def test_what_is_named_wins_over_the_address() -> None:
    found = of(
        URL=URL,
        JWKS_URL="https://keys.example/jwks",
        JWT_ISSUER="https://id.example",
        JWT_AUDIENCE="a, b",
        JWT_ALGORITHMS="es256",
    )
    assert found.jwks_urls == ("https://keys.example/jwks",)
    assert found.issuer == "https://id.example"
    assert found.audiences == {"a", "b"}
    assert found.algorithms == ("ES256",)


@pytest.mark.req("OV-53")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ANON_KEY": "anon"}, ("anon", "SUPABASE_ANON_KEY")),
        ({"ANON_KEY": "anon", "KEY": "key"}, ("key", "SUPABASE_KEY")),
        (
            {"ANON_KEY": "anon", "KEY": "key", "SERVICE_ROLE_KEY": "service"},
            ("service", "SUPABASE_SERVICE_ROLE_KEY"),
        ),
    ],
)
def test_the_first_key_is_sent(values: dict[str, str], expected: tuple[str, str]) -> None:
    found = of(**values)
    assert (found.api_key, found.api_key_name) == expected
    assert found.is_named
    assert not found.is_configured


@pytest.mark.req("OV-54")
def test_a_star_among_audiences_takes_any() -> None:
    assert of(JWT_AUDIENCE="a,*").audiences is None


def test_secrets_do_not_show() -> None:
    shown = repr(of(JWT_SECRET="hidden-1", SERVICE_ROLE_KEY="hidden-2"))
    assert "hidden" not in shown
