"""Logs into the store, or back into the topics."""
