"""Tuning a text encoder on a log (`driftline tune-encoder`)."""
