"""Content encoders: text (later image and audio) to unit vectors, each content once."""
