"""The embedded engine: Qdrant in this process, in a folder."""
