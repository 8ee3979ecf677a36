"""What stands in a column of codes where there is none to name."""

NONE = -1
"""No item, no text, no scenario, no row: a place in an array counts from 0."""
OPEN = -1
"""The scenario of a request that names none, and so is about all items."""
