"""A text model tuned on a log: base, adapter, towers, training, and the folder that it is saved in."""
