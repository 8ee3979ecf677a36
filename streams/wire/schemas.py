"""The schemas that records name, compiled, as many as the settings keep.

Which schema an id means never changes, so what is known is never asked for again, and a registry that is away only matters
where a new id comes. An id that the registry does not know may have been registered a moment ago, where a follower answers: it
is asked for once more after a second, and again half a minute later.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from streams.errors import RegistryUnavailable
from streams.wire.avro import avro_decoder
from streams.wire.decoder import PayloadDecoder, UnusableSchema
from streams.wire.framing import SchemaId
from streams.wire.protobuf import protobuf_decoder
from streams.wire.registry import RegisteredSchema, RegistryClient, SchemaReference

ASK_AGAIN_S: Final = 1.0
UNKNOWN_S: Final = 30.0
"""How long an id that the registry does not know is not asked for again."""
MOST_REFERENCES: Final = 500


class Schemas:
    """Ids -> decoders. Thread-safe.

    Args:
        capacity: schemas that are kept.
        monotonic, sleep: the clock of what is unknown.
    """

    def __init__(
        self,
        client: RegistryClient,
        capacity: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._capacity = capacity
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._known: OrderedDict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]] = OrderedDict()
        self._unknown: OrderedDict[SchemaId, float] = OrderedDict()

    def fetch(
        self, wanted: Iterable[SchemaId]
    ) -> dict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]]:
        """Kind and decoder of each id, or why it has none; ids that the registry does not know are left out.

        Raises:
            RegistryUnavailable: the registry does not say; call again.
        """
        found: dict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]] = {}
        missing = []
        with self._lock:
            for schema in set(wanted):
                known = self._known.get(schema)
                if known is not None:
                    self._known.move_to_end(schema)
                    found[schema] = known
                elif self._monotonic() >= self._unknown.get(schema, 0.0):
                    missing.append(schema)
        absent = self._ask(missing, found)
        if absent:
            self._sleep(ASK_AGAIN_S)
            absent = self._ask(absent, found)
        with self._lock:
            for schema in absent:
                self._unknown[schema] = self._monotonic() + UNKNOWN_S
            while len(self._unknown) > self._capacity:
                self._unknown.popitem(last=False)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(
        self, schemas: list[SchemaId], found: dict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]]
    ) -> list[SchemaId]:
        """Adds those that are there to `found`, and keeps them at once: what follows may fail. Returns the others."""
        absent = []
        for schema in schemas:
            registered = self._client.schema(schema)
            if registered is None:
                absent.append(schema)
                continue
            found[schema] = registered.kind, self._compiled(registered)
            with self._lock:
                self._unknown.pop(schema, None)
                self._known[schema] = found[schema]
                while len(self._known) > self._capacity:
                    self._known.popitem(last=False)
        return absent

    def _compiled(self, schema: RegisteredSchema) -> PayloadDecoder | UnusableSchema:
        try:
            if schema.kind == "AVRO":
                return avro_decoder(schema.text, list(self._imports(schema).values()))
            if schema.kind == "PROTOBUF":
                return protobuf_decoder(schema.text, self._imports(schema))
        except UnusableSchema as error:
            return error
        return UnusableSchema(f"it is a {schema.kind[:20]} schema")

    def _imports(self, schema: RegisteredSchema) -> dict[str, str]:
        """Name -> text of all that a schema uses, each after what it uses itself."""
        texts: dict[str, str] = {}
        seen: set[str] = set()

        def add(references: Iterable[SchemaReference]) -> None:
            for reference in references:
                if reference.name in seen:
                    continue
                if len(seen) >= MOST_REFERENCES:
                    raise UnusableSchema(f"it uses more than {MOST_REFERENCES} others")
                seen.add(reference.name)
                used = self._client.version(reference)
                if used is None:
                    raise UnusableSchema("it uses a schema that the registry does not have")
                add(used.references or ())
                texts[reference.name] = used.text

        try:
            add(schema.references or ())
        except RecursionError:
            raise UnusableSchema("its references are nested too deep") from None
        return texts


class NoSchemas:
    """In place of `Schemas` where no registry is set: records that need one wait for nobody."""

    def fetch(
        self, wanted: Iterable[SchemaId]
    ) -> dict[SchemaId, tuple[str, PayloadDecoder | UnusableSchema]]:
        """Raises RegistryUnavailable where any is wanted."""
        if any(True for _ in wanted):
            raise RegistryUnavailable("no Schema Registry is set: registry.url")
        return {}

    def close(self) -> None:
        """Nothing to close."""
