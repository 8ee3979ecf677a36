"""The records that a packed state is made of, little-endian and without padding.

A state of version 2 is `prefix | head | slots | own | ring | names | more`:

    prefix   magic, version, and the checksum of all that follows; every version begins so
    head     of the user: sizes and numbers of all records, number of actions, times, global sums
    slots    one record each, in order of name; own items by key; ring rows by (time, key)
    names    the slots' names in UTF-8, one after the other
    more     sections with a tag each (`transfer/state/packing_aside.py`), those that this release knows nothing of among them

Room for what comes: the head says how long the records are (`SIZES`). A later release may append fields to a record, or
sections after the names, without another version: a release that does not know them skips them (and drops them when the user is
written again), and fields that an older record does not have are read as zeros. Columns by action have as many places as the
head's `actions`; the store may have gained more since, whose counts are zero. So a release that knows three alone
refuses states with more. What an older release must not even read is another version.
"""

import numpy as np
import numpy.typing as npt

from transfer.config import InterestConfig

Records = npt.NDArray[np.void]

MAGIC = b"DLIS"
PREFIX = np.dtype([("magic", "S4"), ("version", "<u4"), ("checksum", "<u8")])
SIZES = np.dtype(
    [
        ("fingerprint", "<u8"),
        ("actions", "<u2"),
        ("head_bytes", "<u4"),
        ("slot_bytes", "<u4"),
        ("own_bytes", "<u2"),
        ("ring_bytes", "<u2"),
    ]
)
"""How the head begins, whatever comes after it."""


class StateLayout:
    """Record types of version 2 of one configuration, and its fingerprint as a number."""

    def __init__(self, config: InterestConfig, actions: int | None = None) -> None:
        """actions: how many the states were written with; None: those of the settings."""
        actions = len(config.action_names) if actions is None else actions
        horizons = len(config.half_lives_s)
        self.actions = actions
        self.head = np.dtype(
            [
                *((name, SIZES[name]) for name in SIZES.names or ()),
                ("slots", "<u4"),
                ("own", "<u4"),
                ("ring", "<u4"),
                ("names", "<u4"),
                ("more", "<u4"),
                ("t_ref", "<f8"),
                ("t_first", "<f8"),
                ("n_events", "<i8"),
                ("exponents", "<i2", (horizons - 1,)),
                ("global_sums", "<i4", (horizons - 1, config.dim)),
            ]
        )
        self.slot = np.dtype(
            [
                ("exponent", "<i2"),
                ("sums", "<i4", (config.dim,)),
                ("counts", "<f8", (horizons, actions)),
                ("life", "<u4", (actions,)),
                ("first", "<f8"),
                ("last", "<f8"),
                ("before", "<f8"),
                ("name", "<u2"),
                *([("extra", "<f8", (horizons,))] if config.weigh else []),
            ]
        )
        self.own = np.dtype(
            [
                ("item", "<u8"),
                ("exponent", "<i2"),
                ("mass", "<i4", (horizons,)),
                ("count", "<u4"),
                ("last", "<f8"),
                ("action", "u1"),
                ("slot", "u1"),
            ]
        )
        self.ring = np.dtype(
            [("key", "<u8"), ("time", "<f8"), ("item", "<u8"), ("action", "u1"), ("slot", "u1")]
        )
        self.fingerprint = int(config.fingerprint(), 16)

    def sizes(self) -> tuple[int, ...]:
        """What `SIZES` holds for states that are written now."""
        records = (self.head, self.slot, self.own, self.ring)
        return (self.fingerprint, self.actions, *(record.itemsize for record in records))
