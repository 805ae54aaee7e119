"""`python tests/kernels/sanitize.py`: the kernel tests under sanitizers, at every vector level.

The compiled core is built twice, in folders of its own: once with the address and the
undefined-behaviour sanitizer, once with that for threads. Each build runs tests of the kernels with
every level of vector instructions that the processor has. Any finding ends the process that made
it, and so fails the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = ("baseline", "avx2", "avx512")
# Few, since each is slower by two orders of magnitude: every path of the kernels (`levels.py`),
# windows, unusual memory, large and turned boxes, and calls beside one another.
TESTS = ("test_same_bits.py", "test_window.py", "test_rotated_and_ps.py")
CHOSEN = (
    "large_boxes_go_where or share_memory or dimension_of_one or where_in_memory "
    "or several_threads or test_window or test_rotated"
)
SANITIZERS = {
    "address,undefined": (
        ("libasan.so", "libubsan.so"),
        # Python leaks by design, and its allocator is not ours to test.
        {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1"},
    ),
    "thread": (("libtsan.so",), {"TSAN_OPTIONS": "halt_on_error=1:exitcode=66"}),
}

# The thread sanitizer wants its own places in memory.
UNSHUFFLED = ("setarch", "-R") if sys.platform == "linux" else ()
# An editable install would be found before the copy that is meant.
START = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "Mesonpy" not in type(finder).__name__]
from tests.kernels import levels
levels.results()
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def main() -> int:
    """The number of runs that failed."""
    failed = 0
    for sanitizer, (libraries, options) in SANITIZERS.items():
        with tempfile.TemporaryDirectory() as folder:
            place = _built(sanitizer, Path(folder))
            for level in _levels():
                print(f"== {sanitizer} sanitizer, {level}", flush=True)
                environment = {
                    **os.environ,
                    **options,
                    "LD_PRELOAD": ":".join(_library(name) for name in libraries),
                    "PYTHONPATH": str(place),
                    "ROICROP_TEST_FROM": str(place / "roicrop"),
                    "OPENBLAS_NUM_THREADS": "1",
                    "ROICROP_KERNEL": "compiled",
                    "ROICROP_SIMD": level,
                }
                # Nothing is captured: the report is what the sanitizer writes.
                pytest = [*UNSHUFFLED, sys.executable, "-c", START, "-q", "-x", "-s"]
                pytest += ["-p", "no:cacheprovider", "-p", "no:faulthandler"]
                # Few examples of each property: every one is slower by an order of magnitude.
                profile = ["--hypothesis-profile=few"]
                chosen = ["-k", CHOSEN, *(str(place / "tests/kernels" / test) for test in TESTS)]
                run = subprocess.run(
                    [*pytest, *profile, "--import-mode=importlib", *chosen],
                    cwd=place,
                    env=environment,
                    check=False,
                )
                failed += run.returncode != 0
    return failed


def _built(sanitizer: str, folder: Path) -> Path:
    """A folder with the package, this build of its core in it, and the tests."""
    build, place = folder / "build", folder / "place"
    meson = [
        "meson",
        "setup",
        str(build),
        str(ROOT),
        "-Dcompiled=enabled",
        "-Dbuildtype=debugoptimized",
    ]
    subprocess.run(
        [*meson, f"-Db_sanitize={sanitizer}", "-Db_lundef=false"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(["meson", "compile", "-C", str(build)], check=True, capture_output=True)
    for name in ("roicrop", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    (core,) = build.rglob("_compiled.*.so")
    shutil.copy(core, place / "roicrop" / "kernels")
    return place


def _library(name: str) -> str:
    """Where the compiler has a sanitizer's library: Python itself is built without."""
    asked = [os.environ.get("CXX", "c++"), f"-print-file-name={name}"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _levels() -> list[str]:
    """Those that this processor has."""
    from roicrop.kernels import NAME

    best = NAME.removeprefix("compiled (").rstrip(")")
    return list(LEVELS[: LEVELS.index(best) + 1])


if __name__ == "__main__":
    sys.exit(main())
