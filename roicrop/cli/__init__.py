"""The command line: one file for each command.

`main` is the program, and `stopping` how it ends when it is stopped. Neither is imported here: a
process that is stopped while it starts needs the second before the first is there.
"""

__all__ = ["main", "stopping"]
