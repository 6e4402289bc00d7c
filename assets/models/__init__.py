"""The models: SQL files that become tables, in the order in which they read each other."""
