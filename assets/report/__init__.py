"""The report: one HTML file that a person reads, made from the published file alone. It asks, draws and writes."""
