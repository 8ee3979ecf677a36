"""Evaluates methods on a log: each basket is predicted right before it happens, then learned from."""
