#!/usr/bin/env python3
"""Writes the digests of all images into docker/, so that a tag that is moved can't change what is run.

Asks each image's own registry, over its HTTP API, for the digest that the tag has now; needs Python 3.11 and nothing else:

    python3 docker/pin_images.py            # image:tag -> image:tag@sha256:..., in place
    python3 docker/pin_images.py --check    # changes nothing; 1 where a tag has another digest than the one written
    python3 docker/pin_images.py --mirror http://127.0.0.1:5000    # ask this registry for all of them

Images that are built here (driftline:...) have no registry and stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
LINE: Final = re.compile(
    r"^(?P<head>(?:FROM|\s*image:)\s+)(?P<image>[^\s@]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?", re.M
)
BUILT: Final = "driftline:"
HUB: Final = "https://registry-1.docker.io"
INDEX: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
TIMEOUT_S: Final = 30


class DigestError(Exception):
    """A registry gave no digest."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the digests of all images into docker/.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where one differs")
    parser.add_argument("--mirror", metavar="URL", help="ask this registry instead of each image's own")
    parser.add_argument("--folder", type=Path, default=HERE, help="where Dockerfile.* and compose.yaml lie")
    given = parser.parse_args(arguments)
    files = [*sorted(given.folder.glob("Dockerfile.*")), given.folder / "compose.yaml"]
    texts = {file: file.read_text("utf-8") for file in files}
    images = sorted({found["image"] for text in texts.values() for found in LINE.finditer(text)})
    try:
        # All of them before the first file is written.
        digests = {image: digest_of(image, given.mirror) for image in images if not image.startswith(BUILT)}
    except DigestError as error:
        print(f"error: {error}; nothing was written", file=sys.stderr)
        return 2
    differing = 0
    for file, text in texts.items():
        pinned = LINE.sub(lambda found: _pinned(found, digests), text)
        if pinned == text:
            continue
        differing += 1
        if not given.check:
            file.write_text(pinned, "utf-8")
    for image, digest in digests.items():
        print(f"{image}@{digest}")
    print(f"{differing} files {'differ' if given.check else 'written'}")
    return int(given.check and differing > 0)


def _pinned(found: re.Match[str], digests: dict[str, str]) -> str:
    digest = digests.get(found["image"])
    return found.group() if digest is None else f"{found['head']}{found['image']}@{digest}"


def digest_of(image: str, mirror: str | None = None) -> str:
    """The digest of the tag's index (or of its one manifest), "sha256:...".

    Raises:
        DigestError: the registry is away, refuses, or gives none.
    """
    registry, name, tag = place_of(image)
    url = f"{(mirror or registry).rstrip('/')}/v2/{name}/manifests/{tag}"
    headers = {"accept": INDEX}
    try:
        try:
            answer = _head(url, headers)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            headers["authorization"] = f"Bearer {_token(error.headers.get('www-authenticate', ''))}"
            answer = _head(url, headers)
    except (OSError, ValueError) as error:
        raise DigestError(f"{image}: no digest from {urllib.parse.urlsplit(url).netloc} ({error})") from None
    if answer is None or not re.fullmatch(r"sha256:[0-9a-f]{64}", answer):
        raise DigestError(f"{image}: {urllib.parse.urlsplit(url).netloc} names no digest")
    return answer


def place_of(image: str) -> tuple[str, str, str]:
    """Registry, name and tag: what has no registry is Docker Hub's, what has no owner its library's."""
    name, _, tag = image.rpartition(":")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return f"https://{first}", rest, tag
    return HUB, name if slash else f"library/{name}", tag


def _head(url: str, headers: dict[str, str]) -> str | None:
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        digest: str | None = answer.headers.get("docker-content-digest")
    return digest


def _token(challenge: str) -> str:
    """An anonymous token, from where the registry says."""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = parts.pop("realm", "")
    if not realm.startswith(("https://", "http://")):
        raise ValueError("it asks for a login")
    with urllib.request.urlopen(f"{realm}?{urllib.parse.urlencode(parts)}", timeout=TIMEOUT_S) as answer:
        found = json.load(answer)
    return str(found.get("token") or found["access_token"])


if __name__ == "__main__":
    sys.exit(main())
