"""The report: one HTML file about the published file. It reads that file only, draws the charts and writes the page."""
