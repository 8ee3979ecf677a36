"""Certificates for tests, by the program openssl: an authority, and what it signs for 127.0.0.1."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


class Authority:
    """An authority of its own; its certificate is what the other side trusts."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl here")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.certificate = folder / "authority.pem"
        self._key = folder / "authority.key"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=an authority",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def issue(self, name: str, password: str = "") -> tuple[Path, Path]:
        """Private key (PKCS #8, with a password if one is given) and certificate."""
        key, request, certificate, more = (
            self.folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem", "ext")
        )
        more.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        secured = ("-passout", f"pass:{password}") if password else ("-nodes",)
        _openssl(
            "req",
            "-new",
            "-newkey",
            "rsa:2048",
            *secured,
            "-subj",
            f"/CN={name}",
            "-keyout",
            key,
            "-out",
            request,
        )
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", more, "-out", certificate,
        )  # fmt: skip
        return key, certificate


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
