"""Where data comes from: one module per vendor, each behind the `Source` protocol of `base`."""
