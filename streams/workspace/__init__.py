"""A store opened, with the models that made it."""
