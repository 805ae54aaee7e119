"""`python -m roicrop` is `roicrop`, and both begin here."""

import sys


def main() -> int:
    """Run the command line of this process; return its exit status."""
    try:
        from roicrop.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # before the command line has taken charge of signals
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from roicrop.cli.stopping import CTRL_C, stopped

        return stopped(CTRL_C, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
