"""The way out of quarantine, and dead letters back into the store."""
