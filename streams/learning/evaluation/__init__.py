"""Judging methods on a log: each basket is asked for right before it happens, then learned from."""
