"""A batch that is run again does only the rows that are not done."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roicrop.errors import OutputError
from roicrop.job import Entry, Ledger
from tests.command_line import MAPS, Result, pooled, run, write_boxes, write_maps

PATTERN = ("--features", "maps/*.h5", "--boxes", "boxes/{stem}.csv", "-o", "crops")
LEDGER = Path("crops/batch.jsonl")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with maps/a.h5 to c.h5 and their boxes."""
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    Path("boxes").mkdir()
    for factor, name in enumerate("abc", 1):
        write_maps(f"maps/{name}.h5", factor * MAPS)
        write_boxes(f"boxes/{name}.csv")
    return tmp_path


def batch(*options: object) -> Result:
    return run("batch", *PATTERN, *options)


def counts(result: Result) -> tuple[int, int, int]:
    """How many rows the summary says were done, skipped, and failed."""
    (line,) = [line for line in result.err.splitlines() if line.startswith("batch ")]
    words = line.replace(",", "").split()
    return int(words[1]), int(words[6]), int(words[8])


def ledger(path: Path = LEDGER) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_again_only_what_is_not_done_is_done() -> None:
    assert counts(batch()) == (3, 0, 0)
    first = {path: path.stat().st_mtime_ns for path in Path("crops").glob("*.h5")}
    assert len(first) == 3
    again = batch()
    assert again.status == 0
    assert counts(again) == (0, 3, 0)
    Path("crops/b.h5").unlink()
    assert counts(batch()) == (1, 2, 0)
    assert Path("crops/a.h5").stat().st_mtime_ns == first[Path("crops/a.h5")]
    np.testing.assert_array_equal(pooled("crops/b.h5"), 2 * pooled("crops/a.h5"))


def test_the_ledger_has_a_line_for_each_row_that_is_finished() -> None:
    Path("boxes/c.csv").unlink()
    assert counts(batch("--stride", 8)) == (2, 0, 1)
    assert [each["output"] for each in ledger()] == ["a.h5", "b.h5"]
    line = ledger()[1]
    status = Path("maps/b.h5").stat()
    assert line["inputs"]["features"] == {
        "file": os.path.join("..", "maps", "b.h5"),
        "path": "",
        "bytes": status.st_size,
        "modified": status.st_mtime_ns,
    }
    assert line["parameters"]["--spatial-scale"] == "0.125"
    assert line["bytes"] == Path("crops/b.h5").stat().st_size
    assert [path.name for path in Path("crops").glob(".*")] == []


def test_a_row_whose_inputs_changed_is_done_again() -> None:
    batch()
    write_maps("maps/a.h5", 5 * MAPS)
    assert counts(batch()) == (1, 2, 0)
    np.testing.assert_allclose(pooled("crops/a.h5"), 2.5 * pooled("crops/b.h5"), atol=1e-5)
    assert counts(batch()) == (0, 3, 0)


def test_other_options_are_an_error_that_names_them_unless_all_is_to_be_done_again() -> None:
    batch("--stride", 8)
    result = batch("--stride", 16, "--convention", "detectron2")
    assert result.status == 1
    assert counts(result) == (0, 0, 3)
    assert "--spatial-scale 0.125, and now --spatial-scale 0.0625" in result.err
    assert "--convention mask-rcnn, and now --convention detectron2" in result.err
    assert counts(batch("--stride", 16, "--overwrite")) == (3, 0, 0)
    assert counts(batch("--stride", 16)) == (0, 3, 0)
    assert counts(batch("--stride", 16, "--reduce", "max")) == (0, 0, 3)


def test_threads_and_memory_are_not_what_a_result_depends_on() -> None:
    batch("--threads", 1)
    assert counts(batch("--threads", 2, "--memory", "100MB")) == (0, 3, 0)


def test_an_output_that_no_batch_made_is_an_error() -> None:
    Path("crops").mkdir()
    Path("crops/b.h5").write_bytes(b"mine")
    result = batch()
    assert counts(result) == (2, 0, 1)
    assert "crops/b.h5 exists, and is not in batch.jsonl" in result.err
    assert Path("crops/b.h5").read_bytes() == b"mine"
    assert counts(batch("--overwrite")) == (3, 0, 0)


def test_an_output_that_was_changed_since_is_an_error() -> None:
    batch()
    with Path("crops/b.h5").open("ab") as file:
        file.write(b"more")
    assert "crops/b.h5 has been changed since" in batch().err


def test_rows_of_another_version_are_skipped_and_it_is_said() -> None:
    batch()
    lines = ledger()
    lines[0] |= {"version": "0.0.1"}
    lines[0]["parameters"]["--no-longer"] = "7"
    LEDGER.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = batch("--quiet")
    assert result.status == 0
    assert "1 skipped row came from roicrop 0.0.1" in result.err


def test_the_failed_rows_are_listed_once_more_at_the_end() -> None:
    """In the order of the rows, whoever failed first."""
    for name in "ac":
        Path(f"boxes/{name}.csv").unlink()
    *_, first, second = batch().err.splitlines()
    assert first.startswith("failed      maps/a.h5: boxes/a.csv cannot be read")
    assert second.startswith("            maps/c.h5: boxes/c.csv cannot be read")


def test_json_says_which_rows_were_skipped() -> None:
    batch()
    Path("crops/a.h5").unlink()
    lines = [json.loads(line) for line in batch("--json", "-q").out.splitlines()]
    skipped = {line["row"]: line.get("skipped", False) for line in lines}
    assert skipped == {"maps/a.h5": False, "maps/b.h5": True, "maps/c.h5": True}


@pytest.mark.parametrize("end", ["", '{"output": "a.h5", "inp'])
def test_a_line_that_was_half_written_is_as_none(end: str) -> None:
    batch()
    whole = LEDGER.read_text()
    LEDGER.write_text(whole[: whole.rstrip().rfind("\n") + 1] + end)
    Path("crops/c.h5").unlink()
    assert counts(batch()) == (1, 2, 0)
    assert len(ledger()) == 3


@pytest.mark.parametrize("line", ["[]", "{}", '{"output": 3}', "[" * 5000, "\x00", "7"])
def test_what_is_no_ledger_is_refused_in_a_line(line: str) -> None:
    Path("crops").mkdir()
    LEDGER.write_text(line + "\n")
    assert "batch.jsonl line 1 is not what a batch writes" in batch().error


def test_shards_do_every_row_once_and_know_of_one_another() -> None:
    assert counts(batch("--shard", "1/2")) == (2, 0, 0)
    assert counts(batch("--shard", "2/2")) == (1, 0, 0)
    parts = sorted(path.name for path in Path("crops").glob("*.jsonl"))
    assert parts == ["batch.1-of-2.jsonl", "batch.2-of-2.jsonl"]
    assert counts(batch()) == (0, 3, 0)
    assert batch("--shard", "3/2").status == 2


def test_two_runs_do_not_write_one_part_of_a_ledger() -> None:
    Path("crops").mkdir()
    with Ledger(Path("crops")):
        assert "another batch is writing it" in batch().error
        assert counts(batch("--shard", "1/1")) == (3, 0, 0)


def test_what_a_killed_run_had_begun_is_its_own() -> None:
    """And is done again, by whichever shard comes next; nothing of it is left."""
    batch()
    entry = Entry(**ledger()[0])
    Path("crops/.batch.2-of-3.started").write_text('{"output": "a.h5"}\n{"outp')
    leftover = Path("crops/.a.h5.roicrop-0123456789abcdef.tmp")
    leftover.touch()
    with Ledger(Path("crops")) as open_ledger:
        assert open_ledger.unfinished == {"a.h5"}
        assert open_ledger.why_not(entry, overwrite=False) == (None, True)
    assert not leftover.exists()
    assert list(Path("crops").glob(".*")) == []


def test_what_a_run_begins_is_kept_when_it_fails() -> None:
    Path("crops").mkdir()
    with pytest.raises(RuntimeError), Ledger(Path("crops")) as open_ledger:
        open_ledger.start("x.h5")
        raise RuntimeError
    with Ledger(Path("crops")) as open_ledger:
        assert open_ledger.unfinished == {"x.h5"}
    assert list(Path("crops").glob(".*")) == []


def test_a_disk_without_room_stops_the_ledger_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    batch()
    before = LEDGER.read_bytes()
    entry = Entry(**ledger()[0])
    write = os.write
    with Ledger(Path("crops")) as open_ledger, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:9]))
        with pytest.raises(OutputError, match="make room"):
            open_ledger.finish(entry)
    assert LEDGER.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--features", "none/*.h5", "--boxes", "x"], "no file matches"),
        (["--features", "maps/*.h5", "--boxes", "{stem.real}"], "{stem.real}: cannot tell"),
        (["--features", "maps/*.h5", "--boxes", "{folder}"], "{folder} is not one of {stem}"),
        (["--features", "maps/*.h5"], "give MANIFEST, or both"),
        (["--features", "maps/*.h5", "--boxes", "b", "jobs.csv"], "give MANIFEST, or both"),
    ],
)
def test_a_pattern_that_cannot_be_followed_is_refused(options: list[str], words: str) -> None:
    result = run("batch", *options, "-o", "crops")
    assert result.status != 0
    assert words in result.err


def test_a_pattern_may_name_a_dataset_and_folders() -> None:
    Path("maps/deep").mkdir()
    write_maps("maps/deep/d.h5")
    write_boxes("maps/deep/d.h5.csv")
    result = run(
        *("batch", "--features", "maps/**/d.h5::/features"),
        *("--boxes", "{parent}/{name}.csv", "-o", "crops"),
    )
    assert result.status == 0, result.err
    assert Path("crops/deep/d-features.h5").exists()


def test_files_of_one_name_in_folders_that_the_pattern_leaves_open_keep_these() -> None:
    for folder in ("1", "2/3"):
        Path("maps", folder).mkdir(parents=True)
        write_maps(f"maps/{folder}/a.h5", 2 ** len(folder) * MAPS)
    rows = ("--features", "./maps/**/a.h5", "--boxes", "boxes/{stem}.csv", "-o", "crops")
    assert counts(run("batch", *rows)) == (3, 0, 0)
    made = {str(path) for path in Path("crops").rglob("*.h5")}
    assert made == {"crops/a.h5", "crops/1/a.h5", "crops/2/3/a.h5"}
    np.testing.assert_array_equal(pooled("crops/2/3/a.h5"), 4 * pooled("crops/1/a.h5"))
    assert counts(run("batch", *rows)) == (0, 3, 0)
