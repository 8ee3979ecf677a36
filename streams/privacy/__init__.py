"""Users who are forgotten, who consent again, or who have not acted for long."""
