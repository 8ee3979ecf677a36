"""Settings of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from sinks.addresses import check_location, join_locations
from sinks.errors import StoreError
from sinks.secret import Secret


def _joined(location: Any) -> Any:
    return (
        join_locations(location)
        if isinstance(location, list) and all(isinstance(one, str) for one in location)
        else location
    )


class StoreConfig(BaseModel):
    """How to reach and lay out a store. What concerns only a server has no effect on a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    location: Annotated[str | None, BeforeValidator(_joined)] = Field(
        default=None,
        description="a folder, or the URL of a server; of a cluster the URLs of several nodes, as a list or with "
        "commas between: another one is asked when one fails",
    )
    prefix: str = Field(
        default="",
        max_length=100,
        pattern=r"^[A-Za-z0-9._@-]*$",
        description="in front of the collections `users`, `items` and `meta` of a server",
    )
    api_key: Secret | None = Field(default=None, description="key of a server")
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
    client_cert_file: Path | None = Field(
        default=None,
        description="PEM file of this client's certificate, for an https server that asks for one",
    )
    client_key_file: Path | None = Field(
        default=None,
        description="PEM file of its private key, without a password; default: it stands in client_cert_file",
    )
    shards: int | None = Field(
        default=None,
        ge=1,
        description="shards of each collection that is created on a server; default: the server's, one a node",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        description="on how many nodes of a cluster each shard of a new collection is kept; default: the server's, "
        "one. With 3 a node may be away while others write",
    )
    write_consistency: int | None = Field(
        default=None,
        ge=1,
        description="by how many replicas a write must be acknowledged, of a new collection; default: by half of the "
        "`replicas`, rounded up, which every read of a majority overlaps with",
    )
    write_ordering: Literal["medium", "strong"] = Field(
        default="medium",
        description="how updates of a collection with several replicas are put in one order: by a leader that another "
        "node replaces when it is away, or (strong) by one that nobody replaces",
    )
    min_free_bytes: int = Field(
        default=256 << 20,
        ge=0,
        description="what has to stay free on the disk of a folder; writing waits while it is not",
    )
    lookalikes: bool = Field(
        default=False, description="build a graph over the users when the store is created, to search them"
    )
    interests: bool = Field(default=True, description="keep up to four interest vectors beside the fused one")
    batch_points: int = Field(default=512, ge=1, le=100_000, description="most points of one request")
    batch_bytes: int = Field(default=16 << 20, ge=1 << 16, description="most bytes of one request, about")

    @field_validator("location")
    @classmethod
    def _meant(cls, location: str | None) -> str | None:
        try:
            if location is not None:
                check_location(location)
        except StoreError as error:
            raise ValueError(str(error)) from None
        return location

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file is given without its certificate; set client_cert_file")
        return self

    @model_validator(mode="after")
    def _acknowledged_by_replicas(self) -> Self:
        if self.write_consistency is not None and self.write_consistency > (self.replicas or 1):
            raise ValueError(
                f"write_consistency {self.write_consistency} asks for more replicas than the {self.replicas or 1} "
                "that there would be; set replicas too, no lower"
            )
        return self
