"""How fast roicrop is, beside every framework that has the operator: `python -m benchmarks`."""
