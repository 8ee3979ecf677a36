"""Training of a transfer model on a log."""
