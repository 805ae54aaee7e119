"""Names from files never reach a terminal as anything but text on one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roicrop.text import listing, one_line, printable, quoted


@given(st.text(st.characters(codec=None), max_size=40))
def test_a_name_is_shown_without_control_characters_on_one_line(name: str) -> None:
    for shown in (printable(name), quoted(name)):
        assert shown.isprintable()
        shown.encode()


def test_what_is_printable_is_shown_as_it_is() -> None:
    assert printable("straße/a b.jpg") == "straße/a b.jpg"
    assert printable("a\n\x1b[31m\x85") == "a\\n\\x1b[31m\\x85"
    assert quoted("a ") == "'a '"


def test_long_names_and_long_lists_are_cut_and_say_so() -> None:
    assert len(printable("x" * 1000)) == 200
    assert printable("x" * 500 + "y" * 500).startswith("xx")
    assert printable("x" * 500 + "y" * 500).endswith("yy")
    assert len(quoted("x" * 1000)) == 202
    assert len(one_line(f"{'x' * 1000}: mend it")) == 308
    assert one_line("many words " * 1000 + ": mend it").endswith(": mend it")
    assert len(one_line("many words " * 1000)) == 2000
    assert listing(["a", "b"]) == "a, b"
    assert listing([*"abcdefg"]) == "a, b, c, d, e and 2 more"
