"""The daemon: from the consumer to the store, live.

`daemon` waits for what it needs and runs `app`, whose agents hand batches to `lanes`. A `lane` brings them into the store,
one `flush` after the other; its head has the order. `start_positions` says where partitions begin, `monitor` watches lag
and progress.
"""
