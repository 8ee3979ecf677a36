"""Where vectors land: users and items in Qdrant, embedded in a folder or on a server."""
