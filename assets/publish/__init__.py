"""What readers get: the published file, its snapshots, the differences between two of them, and the Parquet export."""
