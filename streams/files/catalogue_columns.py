"""Which columns of a catalogue's file are which fields: found, mapped, or proposed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from streams.errors import LogError
from streams.events.attributes import AVAILABLE_FROM, AVAILABLE_UNTIL, HIDDEN
from streams.events.item_record import CATALOGUE_FIELDS, MEDIA_FIELDS, ItemDescription
from streams.files.fields import parse_mapping, short_names
from streams.files.media_values import is_media_type
from streams.files.rows import TabularFile
from streams.files.values import is_text_type

NAMED_ATTRIBUTES: Final = ("price", "stock", "brand", "categories", HIDDEN, AVAILABLE_FROM, AVAILABLE_UNTIL)
"""Attributes that a column of another name can be mapped to."""

_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "item_id": (
        "handle",
        "itemid",
        "productid",
        "articleid",
        "sku",
        "variantsku",
        "productcode",
        "asin",
        "ean",
        "gtin",
        "upc",
        "isbn",
        "id",
        "uid",
        "key",
        "slug",
        "item",
        "product",
        "article",
        "movieid",
        "contentid",
    ),
    "title": (
        "title",
        "name",
        "productname",
        "producttitle",
        "itemname",
        "displayname",
        "label",
        "heading",
        "articlename",
    ),
    "description": (
        "bodyhtml",
        "description",
        "body",
        "shortdescription",
        "longdescription",
        "productdescription",
        "descriptionhtml",
        "bodytext",
        "summary",
        "details",
        "desc",
        "abstract",
        "text",
        "content",
        "about",
    ),
    "scenario": (
        "producttype",
        "type",
        "department",
        "category",
        "productcategory",
        "maincategory",
        "categoryname",
        "section",
        "genre",
        "categorypath",
        "googleproductcategory",
    ),
}
"""By field, what others call it, letters and digits alone, the likeliest first."""
_LETTERS: Final = re.compile(r"[^a-z0-9]+")


def parse_item_mapping(text: str) -> dict[str, str]:
    """Field -> column, from `title=name,price=Variant Price`; an empty text maps nothing.

    >>> parse_item_mapping("title=name, description=Body (HTML)")
    {'title': 'name', 'description': 'Body (HTML)'}

    Raises:
        MappingError: not of that form, an unknown field, or the same field twice.
    """
    return parse_mapping(text, (*CATALOGUE_FIELDS, *MEDIA_FIELDS, *NAMED_ATTRIBUTES), "--items-map")


def item_columns(
    file: TabularFile, description: ItemDescription, needed: Sequence[str], *, allow_empty: bool
) -> dict[str, str]:
    """Field or attribute -> column, of those that the file has.

    needed: fields that were mapped by hand.

    Raises:
        LogError: there is no item id, no text in a file with columns that may be one, or a mapped column is missing.
    """
    wanted = {name: description.name(name) for name in description.content_fields}
    found = {name: column for name, column in wanted.items() if _has(file, column)}
    further = description.further(file.columns)
    found |= {name: column for name, column in further.items() if _has(file, column)}
    for name in needed:
        if name not in found and (name in description.content_fields or description.choice.takes(name)):
            raise LogError(
                f"{file.path}: no column {description.name(name)!r} (for {name}); {_columns(file)}"
            )
    for column in found.values():
        if file.columns.count(column) > 1:
            raise LogError(f"{file.path}: has {file.columns.count(column)} columns {column!r}")
    for name in CATALOGUE_FIELDS:
        kind = file.types.get(found.get(name, ""))
        if kind is not None and not _may_be(name, kind):
            raise LogError(
                f"{file.path}: column {found[name]!r} is of type {kind}; expected strings or integers ({name})"
            )
    for name in description.media:
        kind = file.types.get(found.get(name, ""))
        if kind is not None and not is_media_type(kind):
            raise LogError(
                f"{file.path}: column {found[name]!r} is of type {str(kind)[:80]}; expected paths, bytes, "
                f"or a struct of bytes and path ({name})"
            )
    if "item_id" not in found:
        raise LogError(
            f"{file.path}: no column {wanted['item_id']!r}; {_columns(file)}{_advice(file, found)}"
        )
    others = [column for column in file.columns if column not in found.values() or column in further.values()]
    has_content = not {"title", "description", *description.media}.isdisjoint(found)
    if not allow_empty and not has_content and others:
        raise LogError(
            f"{file.path}: no text is recognised: neither title nor description; {_columns(file)}"
            f"{_advice(file, found)}; if items have no texts: --allow-empty (catalogue.allow_empty)"
        )
    return found


def proposed_mapping(columns: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Field -> column for the fields that are not known, by what their columns are usually called.

    >>> proposed_mapping(["Handle", "Title", "Body (HTML)", "Vendor", "Type"], {})
    {'item_id': 'Handle', 'title': 'Title', 'description': 'Body (HTML)', 'scenario': 'Type'}
    """
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(_LETTERS.sub("", column.lower()), column)
    found: dict[str, str] = {}
    for name, synonyms in _SYNONYMS.items():
        taken = {*known.values(), *found.values()}
        if name not in known:
            columns_so_called = [plain[one] for one in synonyms if one in plain and plain[one] not in taken]
            if columns_so_called:
                found[name] = columns_so_called[0]
    return found


def _may_be(name: str, kind: pa.DataType) -> bool:
    """Ids may be floats, as whole numbers are where some are missing; each value is looked at."""
    number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_text_type(kind) or (name in ("item_id", "scenario") and number)


def _has(file: TabularFile, column: str) -> bool:
    """Dots lead into the objects of a line of JSON."""
    return file.has(column) or (file.kind == "json" and column.partition(".")[0] in file.columns)


def _columns(file: TabularFile) -> str:
    place = "its first lines have" if file.kind == "json" else "its columns are"
    return f"{place} {short_names(file.columns)}"


def _advice(file: TabularFile, found: Mapping[str, str]) -> str:
    known = {name: column for name, column in found.items() if name in CATALOGUE_FIELDS}
    proposal = proposed_mapping(file.columns, known)
    if not proposal:
        return "; name them with --items-map item_id=COLUMN,title=COLUMN,description=COLUMN"
    mapping = ",".join(f"{name}={column}" for name, column in proposal.items())
    quoted = f"'{mapping}'" if re.search(r"[^\w=,.-]", mapping) else mapping
    return f"; perhaps --items-map {quoted}"
