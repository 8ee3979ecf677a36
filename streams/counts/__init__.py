"""Shares and transitions of items, kept in a store beside the states."""
