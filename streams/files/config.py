"""How files of text are written, where their first bytes don't tell."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streams.files.text_encoding import is_encoding


class FilesConfig(BaseModel):
    """Logs and catalogues in CSV and JSON lines."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    encoding: str = Field(
        "",
        description="of CSV and JSON lines, such as cp1252 or latin-1; empty: UTF-8, or UTF-16 where its first bytes say so. "
        "A file in another encoding is refused; utf-8 said here rejects its rows instead",
    )
    delimiter: str = Field(
        "",
        max_length=1,
        description="between the columns of a CSV; empty: the comma, semicolon, tab or bar of its header",
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        if name and not is_encoding(name):
            raise ValueError(
                f"{name!r} is no encoding that is known; for example utf-8, latin-1, cp1252, utf-16"
            )
        return name

    @field_validator("delimiter")
    @classmethod
    def _is_delimiter(cls, text: str) -> str:
        if text and (not text.isascii() or text in '"\r\n'):
            raise ValueError("a delimiter is one ASCII character, no quote and no line end")
        return text
