"""driftline acknowledge-loss"""

from __future__ import annotations

from dataclasses import asdict

from streams.cli import options
from streams.cli.console import load, print_json, reported, show, store_location


def acknowledge_loss(
    store: options.Store = None, json_: options.Json = False, config: options.Config = None
) -> None:
    """Acknowledge the records that retention took before they were read; the warning on /ready ends.

    The daemon notices within daemon.sources_check_s. A folder belongs to its daemon: do it while that one is stopped, or set
    daemon.acknowledge_loss. The counter driftline_lost_records_total keeps what it has.

    Example: driftline acknowledge-loss --store http://qdrant:6333
    """
    from sinks.open import open_store
    from streams.worker.lost_records import acknowledge

    with reported():
        settings = load(config)
        opened = open_store(
            store_location(store, settings), settings.store, settings.interest.dim, create=False
        )
        try:
            losses = acknowledge(opened.sources)
        finally:
            opened.close()
        if json_:
            print_json({"acknowledged": [asdict(loss) for loss in losses]})
        else:
            for loss in losses:
                show(str(loss))
            show(f"{len(losses)} partitions" if losses else "nothing was lost, or all of it was seen")
