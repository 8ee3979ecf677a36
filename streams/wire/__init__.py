"""What producers put around events: wire formats with a Schema Registry, envelopes, and the forms of keys."""
