"""A small identity provider: signs tokens, serves its keys over HTTP, rotates them, goes away."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SUBJECT = "4f2c1f0e-auth-user"
AUDIENCE = "authenticated"


class Key:
    """A signing key with its id; `kind` is RS256 or ES256."""

    def __init__(self, kid: str | None, kind: str = "RS256", bits: int = 2048) -> None:
        self.kid, self.kind = kid, kind
        self.private: Any = (
            rsa.generate_private_key(public_exponent=65537, key_size=bits)
            if kind.startswith("RS")
            else ec.generate_private_key(ec.SECP256R1())
        )

    def listed(self, **more: Any) -> dict[str, Any]:
        algorithm: Any = jwt.get_algorithm_by_name(self.kind)
        listed = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        if self.kid is not None:
            listed["kid"] = self.kid
        return {**listed, "use": "sig", **more}

    @property
    def public_pem(self) -> bytes:
        form = PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(Encoding.PEM, form)


class IdentityProvider:
    """Serves `keys` at both addresses of the real one. `base` is what SUPABASE_URL names."""

    def __init__(self) -> None:
        self.rsa, self.ec = Key("rsa-1"), Key("ec-1", "ES256")
        self.keys: list[dict[str, Any]] = [self.rsa.listed(), self.ec.listed()]
        #: What the server answers instead of the keys: a status, or a raw body.
        self.status = 200
        self.body: bytes | None = None
        self.missing_paths: set[str] = set()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.is_held = threading.Event()
        self.is_held.set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def issuer(self) -> str:
        return f"{self.base}/auth/v1"

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/.well-known/jwks.json"

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                provider.is_held.wait(30)
                status = 404 if self.path in provider.missing_paths else provider.status
                body = provider.body or json.dumps({"keys": provider.keys}).encode()
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", provider.jwks_url)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def token(
        self, key: Any = None, *, alg: str = "", headers: Any = None, drop: Any = (), **claims: Any
    ) -> str:
        """A good access token, changed by the arguments. key: a Key, or a secret with its alg."""
        key = key or self.rsa
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "exp": now + 600,
            "iat": now,
            "email": "ada@provider.example",
            "role": "authenticated",
            **claims,
        }
        said = {name: value for name, value in said.items() if name not in drop}
        head = {"typ": "JWT", "alg": alg or key.kind}
        if isinstance(key, Key) and key.kid is not None:
            head["kid"] = key.kid
        return signed(key, {**head, **(headers or {})}, said)


def signed(key: Any, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """As the header says, whatever it says: libraries refuse to sign what forgers sign."""
    text = f"{encoded(header)}.{encoded(claims)}"
    secret = key.private if isinstance(key, Key) else key
    secret = secret.encode() if isinstance(secret, str) else secret
    signature = jwt.get_algorithm_by_name(header["alg"]).sign(text.encode(), secret)
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    provider.start()
    try:
        yield provider
    finally:
        provider.is_held.set()
        provider.stop()
