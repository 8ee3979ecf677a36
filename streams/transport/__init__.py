"""A Faust app whose agents receive whole fetches; usable alone."""
