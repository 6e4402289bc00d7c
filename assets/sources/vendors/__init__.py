"""One module for each vendor of the live source: the only place that knows its library, addresses and answers."""
