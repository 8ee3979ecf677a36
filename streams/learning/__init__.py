"""What is learned from a log: profile, item vectors, models, evaluation."""
