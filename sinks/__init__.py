"""Where vectors land: users and items in Qdrant, embedded in a folder or on a server.

`protocols` is what the rest of Driftline may ask, `store` puts it together from an engine's collections (`collection`), and
`edge` and `server` are the engines. `writer` has the rule by which any number of processes may write a user.
"""
