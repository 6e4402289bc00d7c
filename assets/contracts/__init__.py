"""The contracts: what stored tables hold, column by column, and what must be true of their rows."""
