"""The records that a packed state is made of, little-endian and without padding."""

import numpy as np

from transfer.config import ACTIONS, InterestConfig

MAGIC = b"DLIS"
PREFIX = 16
"""Bytes of magic, version and checksum."""


class Layout:
    """Record types of the states of one configuration, and its fingerprint as a number."""

    def __init__(self, config: InterestConfig) -> None:
        horizons = len(config.half_lives_s)
        self.head = np.dtype(
            [
                ("magic", "S4"),
                ("version", "<u4"),
                ("checksum", "<u8"),
                ("fingerprint", "<u8"),
                ("slots", "<u4"),
                ("own", "<u4"),
                ("ring", "<u4"),
                ("names", "<u4"),
                ("t_ref", "<f8"),
                ("t_first", "<f8"),
                ("n_events", "<i8"),
                ("global_sums", "<f4", (horizons - 1, config.dim)),
            ]
        )
        self.slot = np.dtype(
            [
                ("sums", "<f4", (config.dim,)),
                ("counts", "<f4", (horizons, len(ACTIONS))),
                ("first", "<f8"),
                ("last", "<f8"),
                ("name", "<u2"),
            ]
        )
        self.own = np.dtype(
            [
                ("item", "<u8"),
                ("mass", "<f4", (horizons,)),
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
