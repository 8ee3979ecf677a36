"""Training of the learned transfer model: positions of a log, examples, losses, components one after the other."""
