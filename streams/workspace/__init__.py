"""A store opened, with the models that made it; `rebuild` makes its vectors by another one."""
