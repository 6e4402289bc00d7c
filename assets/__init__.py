"""What exists: sources, contracts, the warehouse, checks, models, publishing. Imports nothing from `pipelines`."""
