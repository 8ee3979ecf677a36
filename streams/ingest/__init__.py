"""Events into the store: what worker and replay share."""
