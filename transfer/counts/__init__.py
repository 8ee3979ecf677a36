"""Decayed counts of items and transitions."""
