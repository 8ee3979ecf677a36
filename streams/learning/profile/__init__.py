"""What a log is, and settings that fit it."""
