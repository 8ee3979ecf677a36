"""Protobuf: the text of a schema -> a decoder of payloads.

The text is compiled by protoc, in a process of its own: what is wrong with a text ends neither this process nor shows on its
standard error. That takes some tenths of a second, once for each schema.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from streams.errors import MissingExtra
from streams.wire.decoder import UnusableSchema
from streams.wire.framing import message_path
from streams.wire.protobuf_values import value_of

COMPILE_S: Final = 30.0
_MAIN: Final = "registered_schema.proto"
_BUILT_IN: Final = {
    "confluent/meta.proto": """syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
""",
    "confluent/type/decimal.proto": """syntax = "proto3";
package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
""",
}
"""What registries know without being told: schemas import it, and no reference says where it is."""


def protobuf_decoder(text: str, references: Mapping[str, str]) -> ProtobufDecoder:
    """The decoder of a schema.

    Args:
        text: the schema, as one writes .proto files.
        references: path of an import -> its text, of all that is imported, whoever imports it.

    Raises:
        UnusableSchema: it can't be compiled.
        MissingExtra: the compiler is not installed.
    """
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError

    pool = DescriptorPool()
    try:
        for file in _compiled(text, references):
            pool.AddSerializedFile(file)
        return ProtobufDecoder(pool.FindFileByName(_MAIN))
    except (TypeError, KeyError, DecodeError) as error:
        raise UnusableSchema(f"its types can't be built ({type(error).__name__})") from None


class ProtobufDecoder:
    """Payloads of one .proto text -> dicts; which of its messages a payload is, the payload says."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._classes: dict[tuple[int, ...], Any] = {}

    def decode(self, payload: bytes, header: bytes, in_header: bool) -> Any:
        """One payload; raises where it is none of the schema."""
        path, at = message_path(header if in_header else payload)
        message = self.message_class(path)()
        message.ParseFromString(payload if in_header else payload[at:])
        return value_of(message)

    def message_class(self, path: tuple[int, ...]) -> Any:
        """The type at a path of indexes, as the wire format has it; ValueError where there is none."""
        found = self._classes.get(path)
        if found is None:
            from google.protobuf.message_factory import GetMessageClass

            with self._lock:
                types = list(self._file.message_types_by_name.values())
                for index in path:
                    if not 0 <= index < len(types):
                        raise ValueError("there is no such message in the schema")
                    descriptor = types[index]
                    # As Confluent's serializer counts: those that stand in the text.
                    types = [each for each in descriptor.nested_types if not each.GetOptions().map_entry]
                found = self._classes[path] = GetMessageClass(descriptor)
        return found


def _compiled(text: str, references: Mapping[str, str]) -> list[bytes]:
    """The file descriptors of a text and of all that it imports, each after what it imports."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    if find_spec("grpc_tools") is None:
        raise MissingExtra("protobuf needs grpcio-tools: pip install 'driftline[registry]'")
    with TemporaryDirectory(prefix="driftline-proto-") as folder:
        root = Path(folder) / "sources"
        for name, content in {**_BUILT_IN, **references, _MAIN: text}.items():
            _write(root, name, content)
        out = Path(folder) / "descriptors"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", "--include_imports"]
        try:
            done = subprocess.run(
                [*command, f"--descriptor_set_out={out}", _MAIN],
                capture_output=True,
                timeout=COMPILE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnusableSchema(f"it is not compiled within {COMPILE_S:g} s") from None
        if done.returncode or not out.is_file():
            raise UnusableSchema(f"it can't be compiled: {_first_line(done.stderr, root)}")
        return [file.SerializeToString() for file in FileDescriptorSet.FromString(out.read_bytes()).file]


def _write(root: Path, name: str, content: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UnusableSchema("it imports a path that leaves its folder")
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8")


def _first_line(stderr: bytes, root: Path) -> str:
    # What else protoc writes is about itself.
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if ".proto:" in line]
    return lines[0].replace(f"{root}/", "").replace(f"{_MAIN}:", "line ")[:150] if lines else "protoc fails"
