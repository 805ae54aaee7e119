"""--overwrite replaces no input, by whatever link it is reached, and nothing but regular files."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.command_line import MAPS, run, write_boxes, write_maps

# Input → the arguments of a command that reads it.
READS = {
    "maps.h5": ["maps.h5", "boxes.csv"],
    "boxes.csv": ["maps.h5", "boxes.csv"],
    "part.h5": ["linked.h5", "boxes.csv"],
    "instances.json": ["maps.h5", "ids.csv", "--images", "instances.json"],
    "model.onnx": ["maps.h5", "boxes.csv", "--convention", "model.onnx"],
    "elsewhere.h5": ["maps.h5", "linked-boxes.h5::/boxes"],
    "photo.png": ["maps.h5", "boxes.csv", "--photo", "photo.png"],
    "named.png": ["pictured.h5", "boxes.csv"],
}


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_maps(maps=MAPS[:1])
    write_boxes(boxes=[(0, 8, 8, 40, 40)])
    write_maps("part.h5", MAPS[0])
    with h5py.File("linked.h5", "w") as file:
        file["x"] = h5py.ExternalLink("part.h5", "/features")
    with h5py.File("elsewhere.h5", "w") as file:
        file["x"] = np.array([[8.0, 8, 40, 40]])
    with h5py.File("linked-boxes.h5", "w") as file:
        file["boxes"] = h5py.ExternalLink("elsewhere.h5", "/x")
    write_maps("pictured.h5", MAPS[:1], stride=8, picture="named.png")
    Path("ids.csv").write_text("image_id,x1,y1,x2,y2\n71,8,8,40,40\n")
    images = [{"id": 71, "file_name": "a"}]
    Path("instances.json").write_text(json.dumps({"images": images}))
    shutil.copy(Path(__file__).parents[1] / "models" / "opset16.onnx", "model.onnx")
    for name in ("photo.png", "named.png"):
        Image.new("RGB", (96, 80)).save(name)


def link(kind: str, target: str, name: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    if kind == "hard":
        os.link(target, name)
        return
    if kind == "chain":
        Path("between").symlink_to(target)
        target = "between"
    Path(name).symlink_to(os.path.relpath(target, Path(name).parent))


@pytest.mark.parametrize("kind", ["symbolic", "hard", "chain"])
@pytest.mark.parametrize("name", READS)
def test_no_input_is_replaced_whatever_link_leads_to_it(name: str, kind: str) -> None:
    before = Path(name).read_bytes()
    given = READS[name]
    if name.endswith(".png"):
        page = ["show", *given, "--box", "0", "--overwrite", "-o"]
        commands = {"p.png": page, "x.html": page, "drawn/align-box-0.png": page}
    else:
        crop = ["align", *given, "--overwrite", "-o"]
        commands = {"out.h5": crop, "out.npz": crop}
    for output, command in commands.items():
        link(kind, name, output)
        place = "drawn" if output.startswith("drawn") else output
        assert "is an input of this run: choose another name" in run(*command, place).error
        assert Path(name).read_bytes() == before
        assert os.path.samefile(name, output)
        Path(output).unlink()
        Path("between").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "directory"])
@pytest.mark.parametrize("name", ["o.h5", "o.npy", "p.png", "x.html"])
def test_what_is_not_a_regular_file_is_not_replaced(kind: str, name: str) -> None:
    if kind == "directory":
        Path(name).mkdir()
    elif kind == "device":
        Path(name).symlink_to("/dev/null")
    else:
        os.mkfifo("pipe" if kind.startswith("link") else name)
        if kind.startswith("link"):
            Path(name).symlink_to("pipe")
    before = os.lstat(name)
    command = ["show", "--box", "0"] if name in ("p.png", "x.html") else ["align"]
    result = run(*command, "maps.h5", "boxes.csv", "-o", name, "--overwrite")
    assert ("is a folder" if kind == "directory" else "is not a regular file") in result.error
    assert (os.lstat(name).st_ino, stat.S_IFMT(os.lstat(name).st_mode)) == (
        before.st_ino, stat.S_IFMT(before.st_mode),
    )  # fmt: skip
