"""The transfer model that needs no training."""
