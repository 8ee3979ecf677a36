"""One file a family of methods; `registry.py` lists them."""
