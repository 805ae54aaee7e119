from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roicrop.errors import OutputError
from roicrop.outputs.replacing import replacing, written

UNPRIVILEGED = 65534


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.bin"


def leftover_of(target: Path, digits: str = "0123456789abcdef") -> Path:
    leftover = target.with_name(f".{target.name}.roicrop-{digits}.tmp")
    leftover.write_bytes(b"half of it")
    return leftover


HOLD = """
import sys, time
from roicrop.outputs.replacing import replacing
with replacing(sys.argv[1], overwrite=True) as temporary:
    temporary.write_bytes(b"theirs")
    print(temporary, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(target: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the midst of writing the target, and its temporary file."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_the_file_appears_only_when_the_block_ends(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["out.bin"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(
    target: Path, failure: type[BaseException]
) -> None:
    target.write_bytes(b"old")
    with pytest.raises(failure), replacing(target, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
        raise failure
    assert target.read_bytes() == b"old"
    assert names(target.parent) == ["out.bin"]


def test_an_existing_file_is_refused_unless_overwriting(target: Path) -> None:
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"out\.bin exists: .*--overwrite"), replacing(target):
        pytest.fail("entered")
    assert target.read_bytes() == b"old"
    with replacing(target, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("alias", ["itself", "hard link", "symbolic link"])
def test_an_input_is_never_the_target(target: Path, alias: str) -> None:
    target.write_bytes(b"old")
    source = target.with_name("source")
    if alias == "itself":
        source = target
    elif alias == "hard link":
        os.link(target, source)
    else:
        source.symlink_to(target)
    with (
        pytest.raises(OutputError, match="is an input of this run"),
        replacing(target, overwrite=True, inputs=["-", str(source)]),
    ):
        pytest.fail("entered")
    assert target.read_bytes() == b"old"


def test_a_symbolic_link_stays_one(target: Path) -> None:
    link = target.with_name("link")
    link.symlink_to(target)
    with replacing(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_cycle_of_links_is_not_replaced(tmp_path: Path) -> None:
    one, other = tmp_path / "one.npy", tmp_path / "other.npy"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(OutputError, match="leads back to itself"), replacing(one, overwrite=True):
        pass
    assert one.is_symlink()


def test_a_file_system_that_takes_nothing_is_named_with_the_remedy(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    refusal = re.escape(f"{target} cannot be written: Read-only file system; write elsewhere")
    with pytest.raises(OutputError, match=refusal), replacing(target):
        pytest.fail("entered")


def test_a_missing_directory_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no folder .*missing"):
        replacing(tmp_path / "missing" / "out.bin").__enter__()
    with pytest.raises(OutputError, match="is a folder"):
        replacing(tmp_path, overwrite=True).__enter__()


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """As an ordinary user, should the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(UNPRIVILEGED)
    yield
    os.seteuid(user)


@pytest.mark.usefixtures("unprivileged")
def test_an_unwritable_directory_is_one_line() -> None:
    with pytest.raises(OutputError, match=r"^/out\.bin cannot be written: Permission denied; .+$"):
        replacing("/out.bin").__enter__()


def test_what_a_killed_run_left_is_removed_by_the_next(target: Path) -> None:
    with another_run(target) as (process, temporary):
        process.kill()
        process.wait()
    assert temporary.exists()
    with replacing(target):
        assert not temporary.exists()


def test_what_another_run_is_writing_stays(target: Path) -> None:
    other_target = leftover_of(target.with_name("out.bin.2"))
    with another_run(target) as (process, theirs):
        with replacing(target) as ours:
            ours.write_bytes(b"ours")
        assert theirs.exists()
        assert target.read_bytes() == b"ours"
        process.communicate()
    assert target.read_bytes() == b"theirs"
    assert names(target.parent) == sorted([other_target.name, "out.bin"])


def test_a_finished_file_can_be_locked_by_its_reader_at_once(target: Path) -> None:
    with replacing(target) as temporary, temporary.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_where_nothing_can_be_locked_files_are_written_and_none_is_taken_for_a_leftover(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    leftover = leftover_of(target)
    with replacing(target) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"
    assert leftover.exists()


def test_what_is_not_a_regular_file_is_not_replaced(target: Path) -> None:
    os.mkfifo(target)
    with pytest.raises(OutputError, match="is not a regular file"):
        replacing(target, overwrite=True).__enter__()


def test_an_error_of_the_system_becomes_one_line_with_a_remedy() -> None:
    with pytest.raises(OutputError) as failed, written("x.h5"):
        raise OSError(28, "whatever a library calls\nit")
    assert str(failed.value) == (
        "x.h5 cannot be written: No space left on device; make room, or write elsewhere"
    )


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.h5"
    with pytest.raises(OutputError, match="exists"), replacing(target) as temporary:
        temporary.write_text("ours")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [target]
    with replacing(target, overwrite=True) as temporary:
        temporary.write_text("ours")
    assert target.read_text() == "ours"


def test_where_there_are_no_hard_links_files_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    target = tmp_path / "out.h5"
    with replacing(target) as temporary:
        temporary.write_text("ours")
    assert target.read_text() == "ours"
    target.unlink()
    with pytest.raises(OutputError, match="exists"), replacing(target):
        target.write_text("theirs")
    assert target.read_text() == "theirs"


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)
    with replacing(target) as temporary:
        temporary.write_text("ours")
    assert target.read_text() == "ours"
