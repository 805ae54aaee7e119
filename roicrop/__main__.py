"""`python -m roicrop` is `roicrop`, and both begin here."""

import sys

from roicrop.cli.stopping import CTRL_C, stopped


def main() -> int:
    """Run the command line of this process; return its exit status."""
    try:
        from roicrop.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # before the command line has taken charge of signals
        return stopped(CTRL_C, 2)


if __name__ == "__main__":
    sys.exit(main())
