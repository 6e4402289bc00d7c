"""The warehouse: its files, its locks, the writer's connection, and what a run records about itself."""
