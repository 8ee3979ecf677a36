"""Interest state and dynamic transfer: arrays in, arrays out; no broker, no store, no clock."""
