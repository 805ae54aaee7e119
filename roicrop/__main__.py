"""`python -m roicrop` is `roicrop`, and both begin here."""

import atexit
import os
import sys

# NumPy's BLAS, which is hardly used here, would start threads that spin at first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Run the command line of this process and end it."""
    try:
        from roicrop.cli import stop_at_once

        stop_at_once()
    except KeyboardInterrupt:
        os.write(2, b"roicrop: stopped by Ctrl-C\n")
        os._exit(130)
    from contextlib import suppress

    from roicrop.cli.main import main as run

    status = run()
    # Taking the interpreter down takes longer than a small crop. If it was stopped, threads may
    # still be working, on results that are discarded.
    if status <= 128 and "multiprocessing" in sys.modules:
        atexit._run_exitfuncs()  # other processes have to be told
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
