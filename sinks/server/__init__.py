"""The server engine: Qdrant by gRPC, one node or several."""
