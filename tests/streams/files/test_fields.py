"""The text of --map."""

from __future__ import annotations

import pytest

from streams.errors import MappingError
from streams.events.item_record import CATALOGUE_FIELDS
from streams.files.fields import parse_mapping


def test_a_mapping_is_field_equals_column():
    """Spaces do not matter, column names may hold anything but a comma, nothing maps nothing."""
    assert parse_mapping("scenario=department,item_id = s k=u ,") == {
        "scenario": "department",
        "item_id": "s k=u",
    }
    assert parse_mapping(" ") == {}
    assert parse_mapping("title=name", CATALOGUE_FIELDS) == {"title": "name"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenario", "field=column"),
        ("=department", "field=column"),
        ("scenario=", "field=column"),
        ("scenari=department", "user_id, timestamp, scenario, item_id, text, event_id, action"),
        ("department=scenario", "did you mean scenario=department?"),
        ("scenario=a,scenario=b", "twice"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(text, words):
    """Each mistake has its own message; a mapping turned around is recognised."""
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    assert words in str(caught.value)
