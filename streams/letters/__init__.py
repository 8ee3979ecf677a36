"""Dead letters: records that were rejected, kept in a topic."""
