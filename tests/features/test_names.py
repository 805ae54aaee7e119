"""One bad name, link or attribute does not make a file unreadable."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from roicrop.features import MapFile, open_features
from tests.command_line import run
from tests.features.files import MAP, message_of, write


def test_links_in_a_circle_are_passed_over_and_told(path: str) -> None:
    links = {"loop": h5py.SoftLink("/loop"), "l1": h5py.SoftLink("/l2"), "l2": h5py.SoftLink("/l1")}
    write(path, {"a": MAP, "b": MAP, **links, "ext": h5py.ExternalLink("maps.h5", "/ext")})
    with h5py.File(path, "r+") as file:
        file.create_group("g")["up"] = file["/"]
    with open_features(path) as source:
        assert source.names == ["a", "b"]
    assert "/loop is a link that leads back to itself" in run("inspect", path).out


def test_names_that_are_no_text_are_read_and_shown(path: str) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = MAP
        space = h5py.h5s.create_simple(MAP.shape)
        for name in (b"b\xff\xfe", b"c\x1b[31m\nroicrop: error: not true"):
            bad = h5py.h5d.create(file.id, name, h5py.h5t.IEEE_F32LE, space)
            bad.write(h5py.h5s.ALL, h5py.h5s.ALL, MAP)
    with open_features(path) as source:
        assert source.names is not None
        assert source.names[:2] == ["a", r"b\udcff\udcfe"]
        for i in range(3):
            np.testing.assert_array_equal(source.read(i), MAP)
    for message in (message_of(f"{path}::/x"), run("inspect", f"{path}::/x").error):
        assert "\x1b" not in message
        assert "\n" not in message


@pytest.mark.parametrize("value", [np.complex64(3 + 1j), np.array([1 + 1j]), 5e-324])
def test_an_attribute_that_is_no_stride_is_one_line(path: str, value: object) -> None:
    write(path, {"x": MAP}, stride=value)
    assert message_of(path).startswith(f"{path}::/x: attribute stride is")


def test_a_long_attribute_makes_no_long_message(path: str) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = MAP
        file["x"].attrs["layout"] = "x" * 60000
    assert len(message_of(path)) < 600


def test_each_dataset_of_many_is_looked_at_once_and_few_are_described(path: str) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        space = h5py.h5s.create_simple((1, 2, 2))
        for n in range(2000):
            h5py.h5d.create(file.id, b"%05d" % n, h5py.h5t.IEEE_F32LE, space)
    with MapFile(path) as opened:
        assert len(opened.choose("").names or ()) == 2000
        first = opened.found
        assert opened.choose("/").maps[0] is first[0]
    text = run("inspect", path).out
    assert "and 1,500 more, which were not read" in text
    assert "/, a group of 2,000 images" in text
