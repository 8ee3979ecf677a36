"""Which engine a location names."""

from __future__ import annotations

from pathlib import Path

from sinks.addresses import check_location, is_server
from sinks.config import StoreConfig
from sinks.engine import Engine
from sinks.protocols import Store
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
    check_location(location)
    engine: Engine
    # Engines are imported here: a command that needs one should not load the other.
    if is_server(location):
        from sinks.server.engine import ServerEngine

        engine = ServerEngine(location, config, writing=create)
    else:
        from sinks.edge.engine import EdgeEngine

        engine = EdgeEngine(Path(location).expanduser(), create, config.min_free_bytes)
    try:
        return EngineStore(engine, config, dim, create, first)
    except BaseException:
        engine.close()
        raise
