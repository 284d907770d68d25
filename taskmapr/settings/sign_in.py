"""Who else vouches for users: the external identity provider, read once."""

from __future__ import annotations

from dataclasses import dataclass, field

from taskmapr.settings.env import Env

#: What the verifier can do. `none` is not an algorithm.
ALGORITHMS_KNOWN = frozenset(
    f"{family}{bits}" for family in ("HS", "RS", "ES") for bits in (256, 384, 512)
)
_AUTH_PATH = "/auth/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSignIn:
    """How tokens of the external provider are checked. Secrets do not show in its repr."""

    #: Verifies HS… tokens, and nothing else does.
    jwt_secret: str = field(default="", repr=False)
    #: Where the public keys are, in the order in which the addresses are tried.
    jwks_urls: tuple[str, ...] = ()
    #: Sent to those addresses.
    api_key: str = field(default="", repr=False)
    api_key_name: str = ""
    algorithms: tuple[str, ...] = ("HS256", "RS256", "ES256")
    #: One of these must be a token's audience; None: any, or none at all.
    audiences: frozenset[str] | None = frozenset({"authenticated"})
    #: Empty: not compared.
    issuer: str = ""
    #: True as soon as anything of the provider is named, even if it is not enough.
    is_named: bool = False

    @property
    def is_configured(self) -> bool:
        """True when there is something to verify a token with."""
        return bool(self.jwt_secret or self.jwks_urls)


def external_sign_in_of(env: Env) -> ExternalSignIn:
    base = env.text("SUPABASE_URL").rstrip("/")
    named_url = env.text("SUPABASE_JWKS_URL")
    keys = {
        "SUPABASE_SERVICE_ROLE_KEY": env.text("SUPABASE_SERVICE_ROLE_KEY"),
        "SUPABASE_KEY": env.text("SUPABASE_KEY"),
        "SUPABASE_ANON_KEY": env.text("SUPABASE_ANON_KEY"),
    }
    key_name = next((name for name, key in keys.items() if key), "")
    secret = env.text("SUPABASE_JWT_SECRET")
    audiences = env.words("SUPABASE_JWT_AUDIENCE", ["authenticated"])
    algorithms = env.words("SUPABASE_JWT_ALGORITHMS", ["HS256", "RS256", "ES256"])
    return ExternalSignIn(
        jwt_secret=secret,
        jwks_urls=_jwks_urls(named_url, base),
        api_key=keys.get(key_name, ""),
        api_key_name=key_name,
        algorithms=tuple(name.upper() for name in algorithms),
        audiences=None if "*" in audiences else frozenset(audiences),
        issuer=env.text("SUPABASE_JWT_ISSUER", f"{base}{_AUTH_PATH}" if base else ""),
        is_named=bool(base or named_url or secret or key_name),
    )


def _jwks_urls(named: str, base: str) -> tuple[str, ...]:
    if named:
        return (named,)
    if not base:
        return ()
    return (f"{base}{_AUTH_PATH}/.well-known/jwks.json", f"{base}{_AUTH_PATH}/jwks")
