"""Events into the store: what worker and replay share.

`intake` puts it together. `ingest` claims, drops what is inside, writes and remembers; `preparation` makes users' points of
events by `pipeline`, which is pure; `item_source` finds the vectors of items, `catalogue` writes items.
"""
