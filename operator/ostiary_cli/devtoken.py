"""Development tokens: a key of the folder's own, and JWTs signed with it.

The key lies in `DIR/.ostiary/`, for its owner alone.  Only a proxy in the local role, given this
very key, takes what it signs; a cluster never does.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from ostiary_proxy.config import LOCAL_AUDIENCE, Issuer

STATE_DIR: Final = ".ostiary"
KEY_FILE: Final = "key.json"
ALGORITHM: Final = "Ed25519"
LIFE_SECONDS: Final = 30 * 24 * 3600
DEFAULT_PRINCIPAL: Final = "system:serviceaccount:default:developer"
_PRINCIPAL: Final = re.compile(
    r"system:serviceaccount:(?P<namespace>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)"
    r":(?P<name>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)"
)


class KeyUnusable(Exception):
    """The message is a sentence for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class DevelopmentKey:
    """Signs for one folder."""

    key: OKPKey

    @property
    def kid(self) -> str:
        return self.key.thumbprint()

    @property
    def issuer(self) -> Issuer:
        public: dict[str, object] = {
            **self.key.as_dict(private=False),
            "kid": self.kid,
            "alg": ALGORITHM,
        }
        return Issuer(
            kind="local",
            issuer=self._name,
            audiences=(LOCAL_AUDIENCE,),
            keys=(public,),
        )

    @property
    def _name(self) -> str:
        return f"ostiary-up:{self.kid}"

    def mint(self, principal: str, *, now: int) -> str:
        claims = {
            "iss": self._name,
            "sub": principal,
            "aud": LOCAL_AUDIENCE,
            "iat": now,
            "exp": now + LIFE_SECONDS,
        }
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])


def namespace_of(principal: str) -> str | None:
    """Namespace of a ServiceAccount's principal; None: this is no such principal."""
    match = _PRINCIPAL.fullmatch(principal)
    return match["namespace"] if match else None


def development_key(folder: Path) -> DevelopmentKey:
    """The folder's key, made the first time.  Blocking: one small file."""
    state = folder / STATE_DIR
    try:
        _private_folder(state)
        path = state / KEY_FILE
        if not path.exists():
            _write(path, OKPKey.generate_key("Ed25519"))
        path.chmod(0o600)
        text = path.read_text()
    except OSError as err:
        raise KeyUnusable(
            f"{state} cannot hold the development key: {err.strerror}. Make {folder} writable, or "
            "run `ostiary up` on a copy of it."
        ) from err
    try:
        key = OKPKey.import_key(json.loads(text))
    except (JoseError, ValueError, TypeError, KeyError) as err:
        raise KeyUnusable(_broken(path)) from err
    if not key.is_private or key.as_dict(private=False).get("crv") != "Ed25519":
        raise KeyUnusable(_broken(path))
    return DevelopmentKey(key)


def _broken(path: Path) -> str:
    return f"{path} is no development key: delete it, and the next start makes a new one."


def _private_folder(state: Path) -> None:
    state.mkdir(mode=0o700, exist_ok=True)
    state.chmod(0o700)
    ignore = state / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")  # a key never belongs in a repository


def _write(path: Path, key: OKPKey) -> None:
    """Whole or not at all, and never readable by anybody else in between."""
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(key.as_dict(private=True), file)
    try:
        os.link(whole, path)  # never over a key that another `ostiary up` just made
    except FileExistsError:
        pass
    finally:
        whole.unlink()
