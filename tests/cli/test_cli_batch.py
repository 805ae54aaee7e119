"""`roicrop batch` does every row that can be done."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import roicrop
from roicrop import kernels
from tests.command_line import BOXES, MAPS, STRIDE, Result, pooled, run, write_boxes, write_maps


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory beside data/, which holds one.h5, two.h5 (without a stride) and boxes.csv."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    write_maps("data/one.h5")
    write_maps("data/two.h5", 2 * MAPS, unrelated=1)
    write_boxes("data/boxes.csv")
    return tmp_path


def batch(manifest: str, *options: object, name: str = "jobs.csv") -> Result:
    Path("data", name).write_text(manifest)
    return run("batch", f"data/{name}", "-o", "crops", *options)


def truth(factor: float = 1.0, **options: str) -> np.ndarray:
    boxes = np.array(BOXES)
    return roicrop.roi_align(factor * MAPS, boxes, 7, 1 / STRIDE, **options)  # type: ignore[arg-type]


def test_every_row_is_an_output() -> None:
    result = batch("features,boxes\none.h5,boxes.csv\ntwo.h5,boxes.csv\n", "--stride", STRIDE)
    assert result.status == 0
    np.testing.assert_array_equal(pooled("crops/one.h5"), truth())
    np.testing.assert_array_equal(pooled("crops/two.h5"), truth(2.0))
    assert "2 of 2 rows done" in result.err


def test_a_row_may_have_a_name_and_options_of_its_own() -> None:
    rows = [
        "Features;boxes;output;op;convention;stride;output-size;overwrite",
        "one.h5;boxes.csv;first.npy;;detectron2;;;",
        "two.h5;boxes.csv;second.h5;pool;;8;3x2;true",
    ]
    result = batch("\n".join(rows), "--convention", "torchvision", "--spatial-scale", 1 / STRIDE)
    assert result.status == 0, result.err
    np.testing.assert_array_equal(np.load("crops/first.npy"), truth(convention="detectron2"))
    expected = roicrop.roi_pool(2 * MAPS, np.array(BOXES), (3, 2), 1 / STRIDE)
    np.testing.assert_array_equal(pooled("crops/second.h5"), expected)


def test_a_manifest_may_be_json() -> None:
    rows = [
        {"features": "one.h5::/features", "boxes": "boxes.csv", "aligned": True},
        {"features": "two.h5", "boxes": "boxes.csv", "stride": 8, "sampling_ratio": "adaptive"},
    ]
    assert batch(json.dumps(rows), name="jobs.json").status == 0
    np.testing.assert_array_equal(
        pooled("crops/one-features.h5"),
        roicrop.roi_align(MAPS, np.array(BOXES), 7, 1 / STRIDE, aligned=True),
    )
    lines = "\n".join(map(json.dumps, rows))
    assert batch(lines, "--overwrite", name="jobs.jsonl").status == 0
    np.testing.assert_array_equal(pooled("crops/two.h5"), truth(2.0, convention="torchvision"))


def test_labels_of_a_row_are_separated_by_semicolons() -> None:
    rows = [(*box, label) for box, label in zip(BOXES, ["a b", "c", "d"], strict=True)]
    write_boxes("data/boxes.csv", rows, more=",label")
    batch("features,boxes,label\none.h5,boxes.csv,a b;d\n")
    np.testing.assert_array_equal(pooled("crops/one.h5"), truth()[[0, 2]])


def test_rows_that_fail_are_a_line_each_and_the_others_are_done() -> None:
    write_boxes("data/bad.csv", [(0, 9, 1, 5, 8)])
    rows = [
        "features,boxes,output,stride",
        "none.h5,boxes.csv,a.h5,",
        "one.h5,bad.csv,b.h5,",
        "one.h5,boxes.csv,c.h5,wide",
        "one.h5,boxes.csv,d.h5,",
    ]
    result = batch("\n".join(rows), "--quiet", "--json")
    assert result.status == 1
    errors = result.err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("roicrop: error: data/jobs.csv line ") for line in errors)
    assert "line 2: data/none.h5 does not exist" in errors[0]
    assert "line 3: data/bad.csv line 2: x2 5 is less" in errors[1]
    assert "line 4: Invalid value for '--stride'" in errors[2]
    assert sorted(path.name for path in Path("crops").iterdir()) == ["batch.jsonl", "d.h5"]

    said = [json.loads(line) for line in result.out.splitlines()]
    assert [each["row"] for each in said] == [f"data/jobs.csv line {n}" for n in (2, 3, 4, 5)]
    assert [each.get("status") for each in said] == [1, 1, 2, None]
    assert said[3]["output"]["path"] == "crops/d.h5"


def test_warnings_name_their_row() -> None:
    result = batch("features,boxes,stride\ntwo.h5,boxes.csv,1\n", "--quiet")
    assert result.err.startswith("roicrop: WARNING: data/jobs.csv line 2: at scale 1 (--stride)")


def test_a_long_batch_on_the_numpy_core_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roicrop.cli.report._LONG_RUN", 0.0)
    monkeypatch.setattr(kernels, "NAME", "numpy")
    result = batch("features,boxes\none.h5,boxes.csv\ntwo.h5,boxes.csv\n", "--stride", STRIDE)
    assert result.err.count("NumPy core") == 1


@pytest.mark.parametrize(
    ("manifest", "name", "words"),
    [
        ("features,boxes,strids\na,b,c\n", "jobs.csv", "line 2: no option is called 'strids'"),
        ("features,box\na,b\n", "jobs.csv", "'box'"),
        ("features,boxes\na,\n", "jobs.csv", "line 2 names no boxes"),
        ("features,boxes\na,b,c\n", "jobs.csv", "line 2 has 3 fields, and the header 2"),
        (
            "features,boxes\na/m.h5,b\nc/m.h5,b\n",
            "jobs.csv",
            "line 2 writes crops/m.h5, as another",
        ),
        ("{}", "jobs.json", "is not a JSON list"),
        ("[1]", "jobs.json", "row 0 is not an object"),
        ("{", "jobs.jsonl", "line 1 is not JSON"),
        ("features", "jobs.txt", "jobs.txt: unknown extension"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused_whole(
    manifest: str, name: str, words: str
) -> None:
    result = batch(manifest, name=name)
    assert result.status == 1
    assert words in result.error


def test_a_missing_or_garbled_manifest_is_one_line() -> None:
    assert "data/none.csv cannot be read" in run("batch", "data/none.csv", "-o", "crops").error
    Path("data/jobs.csv").write_bytes(b"features,boxes\n\xff,b\n")
    assert "not UTF-8 (byte 15)" in run("batch", "data/jobs.csv", "-o", "crops").error


@pytest.mark.parametrize(
    ("output", "use"),
    [("two.h5", "line 3 reads"), ("jobs.csv", "is the manifest"), ("boxes.csv", "line 2 reads")],
)
def test_no_row_writes_what_another_reads(output: str, use: str) -> None:
    before = Path("data", "two.h5").read_bytes()
    lines = f"features,boxes,output\none.h5,boxes.csv,{output}\ntwo.h5,boxes.csv,other.h5\n"
    Path("data", "jobs.csv").write_text(lines)
    result = run("batch", "data/jobs.csv", "-o", "data", "--overwrite", "--stride", 8)
    assert result.status == 1
    assert use in result.error
    assert Path("data", "two.h5").read_bytes() == before
    assert not Path("data", "other.h5").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("output", "../escaped.h5"),
        ("output", "inner/../../escaped.h5"),
        ("output", "/tmp/escaped.h5"),
        ("output", "out/escaped.h5"),
        ("viz", "../pictures"),
        ("viz", "/tmp/pictures"),
        ("viz", "out"),
    ],
)
def test_a_batch_writes_only_inside_its_directory(work: Path, column: str, value: str) -> None:
    Path("outside").mkdir()
    Path("crops").mkdir()
    Path("crops/out").symlink_to("../outside")
    before = sorted(work.rglob("*"))
    rows = [
        {"features": "one.h5", "boxes": "boxes.csv", "output": "good.h5"},
        {"features": "one.h5", "boxes": "boxes.csv", "output": "bad.h5", column: value},
    ]
    result = batch(json.dumps(rows), name="jobs.json")
    assert result.status == 1
    assert f"row 1: {column} {value} " in result.err
    assert "a batch writes only inside crops" in result.err
    made = {path.relative_to(work).as_posix() for path in {*work.rglob("*")} - {*before}}
    assert made == {"data/jobs.json", "crops/good.h5", "crops/batch.jsonl"}


def test_folders_of_outputs_and_pictures_are_made_inside() -> None:
    lines = "features,boxes,output,viz\none.h5,boxes.csv,deep/er/a.h5,seen\n"
    result = batch(lines, "--viz-boxes", "0")
    assert result.status == 0, result.err
    assert [path.name for path in Path("crops/deep/er").iterdir()] == ["a.h5"]
    assert [path.suffix for path in Path("crops/seen/deep/er/a").iterdir()] == [".png"]


@pytest.mark.parametrize("other", ["./a.h5", "b/../a.h5", "link.h5", "b//a.h5", "A.h5", "a.npz"])
def test_no_two_rows_write_the_same_file_or_picture(other: str) -> None:
    Path("crops/b").mkdir(parents=True)
    Path("crops/link.h5").symlink_to("a.h5")
    own = other if other.startswith("b//") else "a.h5"
    viz = ",see" if other == "a.npz" else ","
    lines = ["features,boxes,output,viz", f"one.h5,boxes.csv,{own.replace('//', '/')}{viz}"]
    result = batch("\n".join([*lines, f"two.h5,boxes.csv,{other}{viz}"]), "--stride", STRIDE)
    if other == "A.h5":  # another file, if case matters in names
        assert result.status == 0 or "as another row does" in result.err
        return
    assert result.status == 1
    assert ("has .. in it" if ".." in other else "as another row does") in result.err


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('"boxes": "b\\u0000.csv"', "boxes b\\x00.csv has a NUL in it"),
        ('"features": "\\ud800"', "features \\ud800 is not text"),
        ('"viz": "\\ud800"', "viz \\ud800 is not text"),
        ('"images": "\\u0000"', "images \\x00 has a NUL in it"),
        ('"label": [[[["a"]]]]', "label must be text, a number, or a list of these"),
        ('"stride": {"a": 1}', "stride must be text, a number, or a list of these"),
        ('"boxes": "-"', "boxes cannot be standard input"),
    ],
)
def test_a_row_with_an_impossible_option_is_one_line(field: str, said: str) -> None:
    good = '{"features": "one.h5", "boxes": "boxes.csv"}'
    bad = '{"features": "two.h5", "boxes": "boxes.csv", "output": "x.h5", %s}' % field  # noqa: UP031
    result = batch(f"[{good}, {bad}]", "-q", name="jobs.json")
    assert result.err == f"roicrop: error: data/jobs.json row 1: {result.err.split('1: ', 1)[1]}"
    assert said in result.err
    assert result.err.count("\n") == 1
    assert Path("crops/one.h5").exists()


def test_a_deeply_nested_manifest_is_one_line() -> None:
    assert "nested too deeply" in batch("[" * 5000 + "]" * 5000, name="jobs.json").error


def test_workers_print_and_write_what_one_process_does() -> None:
    lines = "features,boxes,stride\n" + "".join(
        f"{name},boxes.csv,{stride}\n" for name, stride in [("one.h5", 8), ("two.h5", 1)]
    )
    here = batch(lines + "./one.h5::/features,none.csv,\n", "--json")
    files = {path.name: path.read_bytes() for path in Path("crops").glob("*.h5")}
    there = batch(
        lines + "./one.h5::/features,none.csv,\n", "--json", "--workers", 2, "--overwrite"
    )
    assert {path.name: path.read_bytes() for path in Path("crops").glob("*.h5")} == files
    assert len(files) == 2
    told = [
        sorted(_without_times(line) for line in each.err.splitlines()) for each in (here, there)
    ]
    assert told[0] == told[1]
    rows = [
        sorted(json.loads(line)["row"] for line in each.out.splitlines()) for each in (here, there)
    ]
    assert rows[0] == rows[1]


def _without_times(line: str) -> str:
    return line.partition(", in ")[0]


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_a_box_may_be_reduced_to_one_vector(reduce: str) -> None:
    lines = "features,boxes,output\none.h5,boxes.csv,a.h5\none.h5,boxes.csv,a.npz\n"
    assert batch(lines, "--reduce", reduce).status == 0
    expected = getattr(truth(), reduce)(axis=(2, 3))
    np.testing.assert_allclose(pooled("crops/a.h5"), expected, atol=1e-6)
    np.testing.assert_allclose(np.load("crops/a.npz")["pooled"], expected, atol=1e-6)
    with h5py.File("crops/a.h5") as file:
        assert file.attrs["reduce"] == reduce
        assert [dimension.label for dimension in file["pooled"].dims] == ["box", "channel"]


def test_pictures_of_a_row_are_drawn_again_with_it_and_others_are_kept() -> None:
    lines = "features,boxes,output,viz\none.h5,boxes.csv,a.h5,seen\n"
    assert batch(lines, "--viz-boxes", "0").status == 0
    (picture,) = Path("crops/seen/a").iterdir()
    Path("crops/a.h5").unlink()
    assert batch(lines, "--viz-boxes", "0").status == 0
    Path("crops/batch.jsonl").unlink()
    Path("crops/a.h5").unlink()
    picture.write_bytes(b"mine")
    result = batch(lines, "--viz-boxes", "0")
    assert "has pictures that this batch did not draw" in result.err
    assert picture.read_bytes() == b"mine"
    Path("crops/.batch.started").write_text('{"output": "a.h5"}\n')
    assert batch(lines, "--viz-boxes", "0").status == 0
    assert picture.read_bytes() != b"mine"


def test_channel_0_is_recorded_as_an_option() -> None:
    lines = "features,boxes,output,viz\none.h5,boxes.csv,a.h5,seen\n"
    assert batch(lines, "--viz-boxes", "0").status == 0
    result = batch(lines, "--viz-boxes", "0", "--channel", "0")
    assert result.status == 1
    assert "--channel" in result.err
