"""Logs into the store (`replay`), or back into the topics (`redrive`); and what a store holds of them (`manifest`)."""
