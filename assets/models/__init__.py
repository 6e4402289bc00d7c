"""The models: SQL files that become tables, views and macros."""
