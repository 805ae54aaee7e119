"""The benchmarks themselves: each module has a `run(options)` that gives a Section."""
