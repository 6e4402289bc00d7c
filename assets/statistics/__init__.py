"""Statistics in NumPy for what SQL computes slowly or clumsily: breakouts, shift tests, correlations at every lag.

Each module has array functions that know nothing of tables, and a table function or two that call them. A model names
its table function in the header, `-- statistic: module.function(table, ...)`. The function gets the parameters and
these tables as relations, and returns a frame that the model reads as `computed`. Nothing is random: the same input
gives the same output.
"""
