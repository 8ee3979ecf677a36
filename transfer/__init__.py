"""Interest state and dynamic transfer: arrays in, arrays out; no broker, no store, no clock.

`state` is what is kept of a user, `counts` what is popular and what follows what, `analytic` and `learned` are the two models
that make vectors and weights of states, `training` makes a learned one. `protocols` is what every model takes and gives.
"""
