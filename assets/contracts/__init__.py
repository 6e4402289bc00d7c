"""The contracts: the columns of the stored tables and the rules that their rows must keep."""
