"""Files of rows, read one by one with bounded memory: JSONL, CSV, Parquet."""
