"""`python -m tests.wheel WHEEL`: a wheel holds the whole package and nothing else.

A file that only the checkout needs, a cache that a run left behind, or a source of the compiled
core would otherwise be installed without anybody noticing.
"""

from __future__ import annotations

import importlib.machinery
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "roicrop"
DATA = {
    *("VERSION", "py.typed", "draw/font/DejaVuSans.ttf", "draw/font/LICENSE_DEJAVU"),
    *(
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "explorer").iterdir()
        if path.suffix in (".js", ".css", ".html")
    ),
}
COMPILED = {
    f"{name}{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    for name in ("kernels/_compiled", "chunks/_unpacking")
}
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt"}
LICENCES = {"licenses/LICENSE", "licenses/roicrop/draw/font/LICENSE_DEJAVU"}


def expected(wheel: Path) -> set[str]:
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    compiled = set() if wheel.name.endswith("-none-any.whl") else COMPILED
    about = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    return {f"roicrop/{name}" for name in modules | DATA | compiled} | {
        f"{about}/{name}" for name in METADATA | LICENCES
    }


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    wanted = expected(wheel)
    for name in sorted(found - wanted):
        print(f"{wheel.name} holds {name}, which is not part of the package")
    for name in sorted(wanted - found):
        print(f"{wheel.name} lacks {name}")
    sys.exit(found != wanted)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
