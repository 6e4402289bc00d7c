"""The warehouse: its files, its locks, the writer's connection, and what a run writes down about itself."""
