"""Memory depends on the size of a file, not on its contents."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

MEASURE = """
import sys
from roicrop.boxes import read_boxes
from roicrop.cli.main import main

def peak():  # not ru_maxrss, which knows the parent's too
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

if sys.argv[1] == "read":
    read_boxes(sys.argv[2])
else:
    assert main(sys.argv[1:]) == 0
print("peak", peak())
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="nothing here says how much memory was used"
)


def peak(*command: str) -> int:
    """The most memory of a process that runs it, in bytes."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True
    )
    return int(run.stdout.rpartition("peak")[2])


def factor(path: Path, head: str, row: Callable[[int], str], *command: str) -> float:
    """Bytes of memory per byte of a file, whatever memory the program takes for itself."""
    peaks, sizes = [], []
    for count in (100_000, 450_000):
        end = {"[": "]", "{": "}"}.get(head[:1], "")
        end = f"]{end}" if "annotations" in head else end
        path.write_text(head + "".join(map(row, range(count))) + end)
        sizes.append(path.stat().st_size)
        peaks.append(peak(*command))
    return (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])


FILES: dict[str, tuple[str, Callable[[int], str]]] = {
    "short.csv": ("x1,y1,x2,y2\n", lambda n: "0,0,9,9\n"),
    "blank.csv": ("x1,y1,x2,y2\n", lambda n: "0,0,9,9\n\n"),
    "ids.csv": ("image,x1,y1,x2,y2,label,id\n", lambda n: f"{n},0,0,9,9,{n % 7},{n}\n"),
    "short.jsonl": ("", lambda n: "[0,0,9,9]\n"),
    "objects.jsonl": ("", lambda n: f'{{"image_id":{n},"bbox":[0,0,9,9]}}\n'),
    "images.jsonl": ("", lambda n: "[[0,0,9,9]]\n"),
    "names.csv": ("image,x1,y1,x2,y2\n", lambda n: f"im{n},0,0,9,9\n"),
    "quoted.csv": ("image,x1,y1,x2,y2\n", lambda n: f'"im{n}","0","0","9","9"\n'),
    "names.jsonl": ("", lambda n: f'{{"image":"im{n}","box":[0,0,9,9]}}\n'),
}
JSON: list[tuple[str, Callable[[int], str]]] = [
    ("[[0,0,9,9]", lambda n: ", [0,0,9,9]"),
    ('[{"bbox":[0,0,9,9]}', lambda n: ', {"bbox":[0,0,9,9]}'),
    ('[{"image_id":1,"bbox":[0,0,9,9]}', lambda n: f', {{"image_id":{n},"bbox":[0,0,9,9]}}'),
    ("[[[0,0,9,9]]", lambda n: ", [[0,0,9,9]]"),
    ('[{"image_id":1,"boxes":[[0,0,9,9]]}', lambda n: f', {{"image_id":{n},"boxes":[[0,0,9,9]]}}'),
    ('{"a":[[0,0,9,9]]', lambda n: f', "{n}":[[0,0,9,9]]'),
    (
        '{"images":[{"id":1}],"annotations":[{"image_id":1,"bbox":[0,0,9,9]}',
        lambda n: ', {"image_id":1,"bbox":[0,0,9,9]}',
    ),
    ('{"a":[{"bbox":[0,0,9,9]}]', lambda n: f', "{n}":[{{"bbox":[0,0,9,9]}}]'),
]


@pytest.mark.parametrize("number", range(len(JSON)))
def test_reading_json_takes_less_than_twelve_times_the_file(tmp_path: Path, number: int) -> None:
    path = tmp_path / "boxes.json"
    assert factor(path, *JSON[number], "read", str(path)) < 12


@pytest.mark.parametrize("name", FILES)
def test_reading_takes_less_than_five_times_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert factor(path, *FILES[name], "read", str(path)) < 5


@pytest.mark.parametrize("images", ["indices", "names"])
@pytest.mark.parametrize("command", ["align", "inspect"])
def test_so_does_a_command_besides_what_it_writes(
    tmp_path: Path, command: str, images: str
) -> None:
    maps, path = str(tmp_path / "maps.h5"), tmp_path / "boxes.csv"
    with h5py.File(maps, "w") as file:
        file["features"] = np.ones((2, 1, 9, 9), np.float32)
        file["features"].attrs["stride"] = 1
    head, row = "image_index,x1,y1,x2,y2\n", lambda n: f"{n % 2},{n % 5}.125,0.25,8.875,8.75\n"
    given, options = [maps, str(path)], ["--output-size", "1", "--overwrite", "--quiet"]
    options = [*options, "-o", str(tmp_path / "out.npy")] if command == "align" else []
    if images == "names":
        head, row = "image,x1,y1,x2,y2\n", lambda n: f"{n:06}.jpg,{n % 5}.5,0.25,8.5,8.75\n"
        given, options = (given, [*options, "--on-image", "0"]) if options else ([str(path)], [])
    assert factor(path, head, row, command, *given, *options) < 5
