"""What is learned from a log: `profile` says what it is, `fit` makes item vectors, `training` models, `probes` questions to new
users; `evaluation` judges.

All of them work on a `history`, the whole log in memory, and judge by `queries`, which know only what is strictly earlier.
"""
