"""Two item ids with one key, found by following walks through the hash until two of them met (half a minute on two cores)."""

from sinks.points import item_key

FIRST, SECOND = "eicllfmfhlgglcce", "gbaijkamcpojcgcc"

assert FIRST != SECOND and item_key(FIRST) == item_key(SECOND)
