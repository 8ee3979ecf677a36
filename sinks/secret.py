"""A secret setting: hidden in every text, and without the line break that a file or a paste left at its end."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr


def _stripped(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    text = text.strip()
    if not text:
        raise ValueError("the secret is empty; leave it out where there is none")
    if any(ord(sign) < 32 or sign == "\x7f" for sign in text):
        raise ValueError("the secret holds a line break or another control character")
    return SecretStr(text)


Secret = Annotated[SecretStr, BeforeValidator(_stripped)]
"""As a setting's type; what surrounds it is stripped."""
