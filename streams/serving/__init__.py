"""What a store answers: recommendations, explanations, exports.

`ranker` knows each model's one ranking of items, and `analytic_ranker` and `mixture_ranker` are the two. `recommend` shows
the best of it, `because` says why; `probes` has what to ask users who have not acted.
"""
