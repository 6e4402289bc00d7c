"""How and when it runs: the wiring for Dagster, settings, schedules and the command line."""
