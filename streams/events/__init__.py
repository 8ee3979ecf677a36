"""Events: bytes or rows into columns, and back. No I/O."""
