"""Tables in files: Parquet, CSV and JSON lines, checked whole, then read in bounded memory."""
