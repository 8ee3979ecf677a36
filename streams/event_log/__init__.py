"""Logs of events on disk, and which source each of their rows is: `log` reads, `content` and `sources` recognise."""
