"""Settings of the store."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class StoreConfig(BaseModel):
    """How to reach and lay out a store. What concerns only a server has no effect on a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    location: str | None = Field(default=None, description="a folder, or the URL of a server")
    prefix: str = Field(
        default="",
        max_length=100,
        pattern=r"^[A-Za-z0-9._@-]*$",
        description="in front of the collections `users`, `items` and `meta` of a server",
    )
    api_key: SecretStr | None = Field(default=None, description="key of a server")
    timeout_s: float = Field(default=10.0, gt=0, description="deadline of one request to a server")
    grpc_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="gRPC port of a server; default: the port of the URL + 1 (6334 for 6333)",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed an https server's certificate"
    )
    lookalikes: bool = Field(
        default=False, description="build a graph over the users when the store is created, to search them"
    )
    interests: bool = Field(default=True, description="keep up to four interest vectors beside the fused one")
    batch_points: int = Field(default=512, ge=1, le=100_000, description="most points of one request")
    batch_bytes: int = Field(default=16 << 20, ge=1 << 16, description="most bytes of one request, about")
