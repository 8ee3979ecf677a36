"""Which engine a location names."""

from __future__ import annotations

from pathlib import Path

from sinks.addresses import check_location, is_server
from sinks.config import StoreConfig
from sinks.engine import Engine
from sinks.errors import StoreError
from sinks.protocols import Store
from sinks.renewal import renew_if_empty
from sinks.store import EngineStore
from sinks.versions import Version


def open_store(
    location: str, config: StoreConfig, dim: int, create: bool, first: Version | None = None
) -> Store:
    """Open the store at `location`: a folder (embedded) or the http(s) URL of a Qdrant server; of a cluster those of
    several nodes, with commas between.

    With `create`, a store that does not exist is created, for vectors of `dim` dimensions; `first` says what model they will
    be of.

    Raises:
        StoreNotFound: there is none and `create` is false.
        StoreMismatch: what exists does not fit the settings; says how to fix it.
        StoreLocked: another process holds the folder.
        StoreUnavailable: the server does not answer; try again.
        StoreError: anything else, such as a refused API key.
    """
    engine = _engine(location, config, create)
    try:
        return EngineStore(engine, config, dim, create, first)
    except BaseException:
        engine.close()
        raise


def renew_store(location: str, config: StoreConfig, dim: int, first: Version) -> bool:
    """Let the store at `location` begin again with these settings, if it has no user and no item; see `sinks.renewal`.

    False: it holds something, or what is there is no store of this release. `first.generation` says what settings they are.

    Raises:
        StoreLocked, StoreUnavailable: see `open_store`.
    """
    engine = _engine(location, config, True)
    try:
        return renew_if_empty(engine, config, dim, first)
    finally:
        engine.close()


def _engine(location: str, config: StoreConfig, create: bool) -> Engine:
    check_location(location)
    # Engines are imported here: a command that needs one should not load the other.
    if is_server(location):
        from sinks.server.engine import ServerEngine

        return ServerEngine(location, config, writing=create)
    from sinks.edge.engine import EdgeEngine

    try:
        folder = Path(location).expanduser()
    except RuntimeError:
        raise StoreError(f"{location}: there is no home folder for {Path(location).parts[0]!r}") from None
    return EdgeEngine(folder, create, config.min_free_bytes)
