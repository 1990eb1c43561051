"""Grants, codes and tokens: who may ask, and for how long."""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..clock import Clock
from ..settings import Settings
from ..wire.values import guid, hex_id, instant


class TokenRefused(Exception):
    """A refusal of the token address, with its `error` value."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class Code:
    """An authorisation code on its way."""

    redirect_uri: str
    scope: str
    expires: float
    challenge: str | None
    method: str | None


@dataclass
class Grant:
    """One authorisation by the user. Only its newest refresh token works."""

    scope: str
    refresh_token: str = ""
    refresh_expires: float = 0
    previous: str = ""
    rotated: float = 0
    access: dict[str, float] = field(default_factory=dict)
    """Access token -> when it expires."""


class Tokens:
    """The state behind the token address."""

    def __init__(self, seed: int, settings: Settings, clock: Clock, user: str) -> None:
        # Not for secrets: the same seed must give the same credentials.
        self.rng = random.Random(f"tokens/{seed}")  # noqa: S311
        self.settings, self.clock, self.user = settings, clock, user
        self.client_id = f"{guid(self.rng)}/{guid(self.rng)}"
        self.client_secret = f"sandbox-{hex_id(self.rng)[:20]}"
        self.codes: dict[str, Code] = {}
        self.grants: list[Grant] = []
        self.refreshes = 0
        """How many refresh tokens were spent."""

    def _token(self, kind: str) -> str:
        """Looks like a JWT; means nothing."""
        claims = {"jti": hex_id(self.rng), "typ": kind, "iat": int(self.clock.now()), "sub": self.user}
        parts = ({"alg": "RS256", "typ": "JWT"}, claims)
        texts = [base64.urlsafe_b64encode(orjson.dumps(p)).decode().rstrip("=") for p in parts]
        return ".".join([*texts, hex_id(self.rng) + hex_id(self.rng)])

    def new_code(self, country: str, redirect_uri: str, scope: str, challenge: str | None, method: str | None) -> str:
        """A code for one exchange within a minute; its country prefix has a slash in it."""
        code = f"{country}/{hex_id(self.rng)}"
        expires = self.clock.now() + self.settings.code_life
        self.codes[code] = Code(redirect_uri, scope, expires, challenge, method)
        return code

    def new_grant(self, scope: str = "readonly") -> Grant:
        """The user has said yes."""
        if self.settings.new_grant_ends_old:
            self.grants.clear()
        grant = Grant(scope)
        self.grants.append(grant)
        self.issue(grant)
        return grant

    def issue(self, grant: Grant) -> dict[str, Any]:
        """A new pair of tokens; the refresh token before it is spent. Returns the answer."""
        now, life = self.clock.now(), self.settings.token_life
        grant.previous, grant.rotated = grant.refresh_token, now
        grant.refresh_token = self._token("refresh")
        grant.refresh_expires = now + self.settings.refresh_token_life
        access = self._token("access")
        grant.access = {t: e for t, e in grant.access.items() if e > now}
        grant.access[access] = now + life
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(life),
            "refresh_token": grant.refresh_token,
            "refresh_token_expires_in": int(self.settings.refresh_token_life),
            "scope": grant.scope,
            "requested_by_id": self.user,
        }

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """Answer a POST to the token address, or refuse."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            raise TokenRefused("invalid_client")
        kind = form.get("grant_type")
        if kind == "authorization_code":
            return self._by_code(form)
        if kind == "refresh_token":
            return self._by_refresh(form.get("refresh_token", ""))
        raise TokenRefused("unsupported_grant_type" if kind else "invalid_request")

    def _by_code(self, form: dict[str, str]) -> dict[str, Any]:
        code = self.codes.pop(form.get("code", ""), None)
        if code is None or code.expires < self.clock.now() or code.redirect_uri != form.get("redirect_uri"):
            raise TokenRefused("invalid_grant")
        if code.challenge and not _proves(code, form.get("code_verifier", "")):
            raise TokenRefused("invalid_grant")
        if self.settings.new_grant_ends_old:
            self.grants.clear()
        grant = Grant(code.scope)
        self.grants.append(grant)
        return self.issue(grant)

    def _by_refresh(self, token: str) -> dict[str, Any]:
        now = self.clock.now()
        for grant in self.grants:
            newest = token == grant.refresh_token and now < grant.refresh_expires
            forgiven = token == grant.previous and now < grant.rotated + self.settings.refresh_grace
            if token and (newest or forgiven):
                self.refreshes += 1
                return self.issue(grant)
        raise TokenRefused("invalid_grant")

    def revoke(self, form: dict[str, str]) -> None:
        """End a grant; its access tokens live out their time."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            raise TokenRefused("invalid_client")
        for grant in self.grants:
            if grant.refresh_token == form.get("token"):
                grant.refresh_token = grant.previous = ""

    def accepts(self, access_token: str) -> bool:
        """Whether an access token is good now."""
        now = self.clock.now()
        return any(grant.access.get(access_token, 0) > now for grant in self.grants)

    def newest(self) -> dict[str, str]:
        """The newest pair of the first grant, as a config carries it."""
        grant = self.grants[0] if self.grants else self.new_grant()
        access, expires = max(grant.access.items(), key=lambda pair: pair[1])
        return {
            "access_token": access,
            "refresh_token": grant.refresh_token,
            "token_expiry_date": instant(expires),
        }


def _proves(code: Code, verifier: str) -> bool:
    """PKCE: the verifier belongs to the challenge."""
    if code.method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return verifier == code.challenge
