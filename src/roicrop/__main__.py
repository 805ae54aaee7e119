"""`python -m roicrop` is `roicrop`."""

import sys

from roicrop.cli import main

sys.exit(main())
