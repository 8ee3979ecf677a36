"""One file per family of methods; `registry.py` lists them."""
