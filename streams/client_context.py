"""TLS of a client: whom it trusts, and the certificate by which it is known; and what a URL may hold."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from streams.errors import SettingsError


def client_context(
    section: str, cafile: Path | None, certfile: Path | None, keyfile: Path | None, password: SecretStr | None
) -> ssl.SSLContext:
    """A verifying context. section: of the settings, for messages.

    Raises:
        SettingsError: a file can't be read or is no PEM file, the key is another certificate's, or its password is wrong.
    """
    try:
        context = ssl.create_default_context(cafile=None if cafile is None else cafile.expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        raise SettingsError(f"can't use {section}.ssl_cafile {cafile}: {_why(error)}") from None
    if certfile is not None:
        key_password = _KeyPassword(password)
        try:
            context.load_cert_chain(
                certfile.expanduser(),
                None if keyfile is None else keyfile.expanduser(),
                password=key_password,
            )
        except (OSError, ValueError, RuntimeError) as error:
            key = "" if keyfile is None else f" with ssl_keyfile {keyfile}"
            why = _why(error)
            if key_password.asked and isinstance(error, ssl.SSLError):
                why = f"the private key has another password than {section}.ssl_key_password"
            raise SettingsError(f"can't use {section}.ssl_certfile {certfile}{key}: {why}") from None
    return context


class _KeyPassword:
    """Is called for a key with a password alone; without it OpenSSL would ask on the terminal."""

    def __init__(self, password: SecretStr | None) -> None:
        self._password = password
        self.asked = False

    def __call__(self) -> str:
        self.asked = True
        return "" if self._password is None else self._password.get_secret_value()


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if "MISMATCH" in reason:
            return "the private key is another certificate's"
        unread = (reason or "unreadable").replace("_", " ").lower()
        return f"it is no PEM file of what it should be ({unread})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def require_plain_url(url: str, what: str, instead: str) -> None:
    """Refuse a URL that holds a user or a password, or is none. No message shows any of it.

    Raises:
        ValueError: says what to write; `instead` names the settings for credentials.
    """
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        raise ValueError(f"{what} can't be read; write https://host/path") from None
    if user is not None or "@" in parts.netloc:
        raise ValueError(f"{what} holds a user or a password; give them in {instead}")
    if parts.scheme not in ("http", "https") or not host or any(ord(sign) <= 32 for sign in url):
        raise ValueError(f"{what} must be https://host/path")
