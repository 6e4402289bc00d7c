"""What SQL says badly, in NumPy: null distributions over every shift, correlations at every lag.

Each module has the functions that models name in their header, `-- statistic: module.function(table, ...)`, and the
plain array functions beneath them, which know nothing of tables. A function gets the parameters and the relations that
the header lists, and returns a frame that the model reads as `computed`. No random numbers: the same answer every time.
"""
