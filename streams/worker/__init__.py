"""The daemon: from the consumer to the store, live."""
