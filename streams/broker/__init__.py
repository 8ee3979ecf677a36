"""Kafka without Faust: addresses, topics, positions, publishing."""
