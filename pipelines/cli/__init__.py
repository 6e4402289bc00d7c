"""The command line: `cascade run`, `status`, `query` and the others."""
