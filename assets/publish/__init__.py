"""What readers get: the published file, its snapshots, what changed between two, and the Parquet files."""
