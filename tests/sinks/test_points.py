"""Ids and keys are part of the stored format: these values may never change."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from sinks.points import item_key, named_id, user_point_id


def test_item_keys_are_the_same_everywhere() -> None:
    """An item's key is the same in every process, on every machine and in every version."""
    assert item_key("sku-1") == 16031833883593195447
    assert item_key("Ünïcode ✓") == 8491358189845409583
    assert 0 < item_key("") < 2**64


def test_user_point_ids_are_the_same_everywhere() -> None:
    """A user's point id is the same everywhere, and a version 5 UUID."""
    assert user_point_id("ada") == "6f994f4b-d496-5ba1-a03d-f7c9ac86af82"
    assert uuid.UUID(user_point_id("bob")).version == 5


def test_users_and_names_do_not_collide() -> None:
    """No user id can name the point of something else in the store."""
    assert user_point_id("store") != named_id("store")
    assert user_point_id("x") != named_id("blob/x")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_point_ids_are_uuids_of_version_5(name: str) -> None:
    """Anybody can find a user's point: its id is the UUIDv5 of the name in one fixed namespace."""
    namespace = uuid.UUID("6f1b2f0e-5d1c-5b8a-9a57-8f6a4c1d2e30")
    assert named_id(name) == str(uuid.uuid5(namespace, name))
    assert user_point_id(name) == named_id(f"user/{name}")
