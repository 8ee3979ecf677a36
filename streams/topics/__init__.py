"""Which topics are read and written, and what stands in each."""
