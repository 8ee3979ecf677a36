"""Content encoders: text (later image and audio) to unit vectors, each content once.

`text` gives raw vectors, `whitening` the space that is stored, `content` both with a memory. `item_encoder` joins vectors from
`behaviour` with those of texts, and `vectorizer` is what a store's items and texts are encoded by.
"""
