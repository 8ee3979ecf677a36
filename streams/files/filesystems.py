"""Filesystems of object stores, by the URL's scheme; credentials and endpoints come from the usual environment.

| URL | environment |
|---|---|
| s3://BUCKET/KEY | AWS_ACCESS_KEY_ID and the rest of AWS's chain, AWS_REGION, AWS_ENDPOINT_URL (_S3), AWS_NO_SIGN_REQUEST |
| gs://BUCKET/KEY | GOOGLE_APPLICATION_CREDENTIALS and the rest of Google's chain, STORAGE_EMULATOR_HOST |
| abfs://CONTAINER[@ACCOUNT.dfs.core.windows.net]/KEY | AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, \
AZURE_STORAGE_CONNECTION_STRING, or Azure's chain |
| hdfs://HOST:PORT/PATH | HADOOP_HOME, CLASSPATH and the like, as libhdfs wants them |
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from streams.errors import LogError

SCHEMES: Final = ("s3", "gs", "abfs", "hdfs", "file")
_SAME: Final = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs", "viewfs": "hdfs"}
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)/*(.*)", re.DOTALL)
_QUERY: Final = re.compile(r"[?&][A-Za-z0-9_.-]+=")
_PATIENCE_S: Final = 30
_USED: Final = re.compile(r"AWS_|AZURE_|STORAGE_EMULATOR_HOST$|GOOGLE_APPLICATION_CREDENTIALS$")
_TRUE: Final = ("1", "true", "yes")


def split_url(text: str) -> tuple[str, str, str] | None:
    """(scheme, authority, path below it) of a URL; None for a path of this machine.

    >>> split_url("s3a://logs/2026/part 1.parquet")
    ('s3', 'logs', '2026/part 1.parquet')
    >>> split_url("logs/a.csv") is None
    True

    Raises:
        LogError: another scheme, or a URL that may hold a password or a signature; those are not quoted.
    """
    found = _URL.match(text)
    if found is None:
        return None
    scheme = _SAME.get(found[1].lower(), found[1].lower())
    if scheme not in SCHEMES:
        names = ", ".join(f"{name}://" for name in SCHEMES)
        raise LogError(f"a {scheme}:// URL can't be read as a log or catalogue; expected a path, or {names}")
    user, at, _ = found[2].rpartition("@")
    if at and (scheme in ("s3", "gs", "file") or ":" in user):
        raise LogError(
            f"a {scheme}:// URL holds a user or password; name the credentials in the environment instead, and take it out"
        )
    if _QUERY.search(found[3]):
        raise LogError(
            f"a {scheme}:// URL holds a query, maybe a signature; name credentials and endpoint in the environment instead"
        )
    return scheme, found[2], found[3]


def filesystem_of(scheme: str, authority: str) -> tuple[Any, str]:
    """The pyarrow filesystem, and the prefix of paths in it: the bucket or container.

    Raises:
        LogError: settings in the environment are missing, or the filesystem's library is.
    """
    environment = tuple(sorted(item for item in os.environ.items() if _USED.match(item[0])))
    return _opened(scheme, authority, environment)


def secrets_hidden(text: str) -> str:
    """A message without the values of credentials in the environment, should a library quote them."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.match(r"(AWS|AZURE)_.*(KEY|SECRET|TOKEN|CONNECTION)", name):
            text = text.replace(value, "***")
    return text


@lru_cache(maxsize=64)
def _opened(scheme: str, authority: str, environment: tuple[tuple[str, str], ...]) -> tuple[Any, str]:
    env = dict(environment)
    if not authority and scheme != "hdfs":
        raise LogError(f"{scheme}://: names no {'container' if scheme == 'abfs' else 'bucket'}")
    try:
        return {"s3": _s3, "gs": _gs, "abfs": _abfs, "hdfs": _hdfs}[scheme](authority, env)
    except ImportError:
        raise LogError(f"{scheme}:// is not in this build of pyarrow") from None
    except (OSError, ValueError) as error:
        reason = secrets_hidden(str(error).splitlines()[0][:200])
        raise LogError(f"{scheme}://{authority.rpartition('@')[2]}: can't be opened ({reason})") from None


def _s3(bucket: str, env: Mapping[str, str]) -> tuple[Any, str]:
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {"request_timeout": _PATIENCE_S, "connect_timeout": _PATIENCE_S / 3}
    if endpoint:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        options |= {
            "endpoint_override": url.netloc.rpartition("@")[2] + url.path.rstrip("/"),
            "scheme": url.scheme,
        }
        region = region or "us-east-1"
    elif region is None:
        try:
            region = resolve_s3_region(bucket)
        except OSError:
            region = None  # the bucket is not there, or the SDK knows it from its own files
    if env.get("AWS_NO_SIGN_REQUEST", "").lower() in _TRUE:
        options["anonymous"] = True
    return S3FileSystem(region=region, **options), bucket


def _gs(bucket: str, env: Mapping[str, str]) -> tuple[Any, str]:
    from pyarrow.fs import GcsFileSystem

    options: dict[str, Any] = {"retry_time_limit": timedelta(seconds=_PATIENCE_S)}
    emulator = env.get("STORAGE_EMULATOR_HOST")
    if emulator:
        url = urlsplit(emulator if "://" in emulator else f"http://{emulator}")
        options |= {"anonymous": True, "endpoint_override": url.netloc, "scheme": url.scheme}
    return GcsFileSystem(**options), bucket


def _abfs(authority: str, env: Mapping[str, str]) -> tuple[Any, str]:
    from pyarrow.fs import AzureFileSystem

    container, _, host = authority.rpartition("@")
    if not container:
        container, host = host, ""
    said = dict(
        part.strip().partition("=")[::2]
        for part in env.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";")
        if "=" in part
    )
    account = host.partition(".")[0] or said.get("AccountName") or _first(env, "ACCOUNT", "ACCOUNT_NAME")
    if not account:
        raise LogError(
            f"abfs://{container}: names no account; set AZURE_STORAGE_ACCOUNT, or write abfs://{container}@"
            "ACCOUNT.dfs.core.windows.net/..."
        )
    options: dict[str, Any] = {}
    key = said.get("AccountKey") or _first(env, "KEY", "ACCOUNT_KEY", "ACCESS_KEY")
    sas = said.get("SharedAccessSignature") or _first(env, "SAS_TOKEN")
    if key:
        options["account_key"] = key
    elif sas:
        options["sas_token"] = sas if sas.startswith("?") else f"?{sas}"
    for service, name in (("blob", "BlobEndpoint"), ("dfs", "BlobEndpoint")):
        if (
            name in said
        ):  # an emulator, which has both under one address, with the account as the first part of the path
            url = urlsplit(said[name])
            options |= {f"{service}_storage_authority": url.netloc, f"{service}_storage_scheme": url.scheme}
    return AzureFileSystem(account, **options), container


def _hdfs(authority: str, env: Mapping[str, str]) -> tuple[Any, str]:
    from pyarrow.fs import HadoopFileSystem

    user, _, host = authority.rpartition("@")
    name, _, port = host.partition(":")
    return HadoopFileSystem(name or "default", int(port or 0), user=user or None), ""


def _first(env: Mapping[str, str], *names: str) -> str | None:
    return next((env[f"AZURE_STORAGE_{name}"] for name in names if env.get(f"AZURE_STORAGE_{name}")), None)
