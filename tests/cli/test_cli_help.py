"""Every command has help with an example that parses; the table of conventions is complete."""

from __future__ import annotations

import json
import shlex

import click
import pytest

import roicrop
from roicrop import kernels
from roicrop.cli.declaring import HEADINGS, Option
from roicrop.cli.main import COMMANDS, Commands
from roicrop.cli.main import roicrop as group
from roicrop.conventions import CONVENTIONS, in_words
from tests.command_line import run


def command(name: str) -> click.Command:
    assert isinstance(group, Commands)
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def test_help_lists_every_command_with_what_it_does() -> None:
    text = run("--help").out
    for name, words in COMMANDS.items():
        assert f"  {name} " in text
        assert words in text
    assert run("-h").out == text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_has_an_example_that_parses(name: str) -> None:
    text = run(name, "--help").out
    (example,) = [
        line.strip() for line in text.splitlines() if line.strip().startswith("Example: ")
    ]
    program, called, *arguments = shlex.split(example.removeprefix("Example: "))
    assert (program, called) == ("roicrop", name)
    command(name).make_context(name, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    for parameter in command(name).params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


def test_options_of_the_same_name_are_the_same_in_every_command() -> None:
    seen: dict[str, tuple[str, str]] = {}  # except those that each command words itself
    own = {
        "-o",
        "--output",
        "--convention",
        "--format",
        "--channel",
        "--viz",
        "--json",
        "--box",
        "--bin",
    }
    for name in COMMANDS:
        for parameter in command(name).params:
            if isinstance(parameter, click.Option):
                meaning = (str(parameter.help), repr(parameter.type))
                for option in {*parameter.opts} - own:
                    assert seen.setdefault(option, meaning) == meaning, (name, option)


def test_help_puts_every_option_under_a_heading_in_one_order() -> None:
    for name in COMMANDS:
        lines = run(name, "--help").out.splitlines()
        headings = [line[:-1] for line in lines if line in {f"{each}:" for each in HEADINGS}]
        assert headings == [each for each in HEADINGS if each in headings], name
        assert "Options:" not in lines, name
        for parameter in command(name).params:
            assert isinstance(parameter, (Option, click.Argument)), (name, parameter.name)


def test_no_command_prints_help_with_status_2() -> None:
    result = run()
    assert (result.status, result.out) == (2, "")
    assert result.err == run("--help").out


def test_the_version_names_the_core() -> None:
    assert run("--version").out == f"roicrop {roicrop.__version__}, core: {kernels.NAME}\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["aling", "a", "b"], "align"),
        (["exlpain"], "explain"),
        (["convention"], "conventions"),
        (["align", "a", "b", "-o", "c.h5", "--convention", "detectron"], "detectron2"),
        (["pool", "a", "b", "-o", "c.h5", "--convention", "Fast-RCNN"], "fast-rcnn"),
        (["compare", "a", "b", "--with", "torchvison", "--with", "onnx"], "torchvision"),
    ],
)
def test_an_unknown_name_is_answered_with_similar_ones(words: list[str], meant: str) -> None:
    result = run(*words)
    assert result.status == 2
    assert f"did you mean {meant}" in result.error


def test_unknown_commands_and_missing_arguments_are_one_line_and_status_2() -> None:
    assert run("crop").status == run("align").status == run("align", "maps.h5").status == 2
    assert "no command 'crop': choose from align, batch" in run("crop").error
    assert "FEATURES" in run("align").error
    assert "roicrop align --help" in run("align").error


def test_conventions_lists_every_row_and_its_surprise() -> None:
    text = " ".join(run("conventions").out.split())
    for row in CONVENTIONS.values():
        assert f"{in_words.named(row)}: {row.program}" in text
        assert row.surprise in text


def test_conventions_as_json_are_the_table() -> None:
    table = json.loads(run("conventions", "--json").out)
    assert [(row["operator"], row["name"]) for row in table] == list(CONVENTIONS)
    by_name = {(row["operator"], row["name"]): row for row in table}
    assert by_name["align", "mask-rcnn"]["default_of"] == "align"
    assert by_name["pool", "fast-rcnn"]["default_of"] == "pool"
    assert by_name["align", "openvino"]["void"] == "nan"
    assert by_name["align-rotated", "detectron2"]["offset_after"] == -0.5


@pytest.mark.parametrize(
    ("option", "value"), [("--stride", "1_6"), ("--output-size", "1_0"), ("--viz-boxes", "1_0")]
)
def test_only_what_people_call_a_number_is_accepted(option: str, value: str) -> None:
    result = run("align", "maps.h5", "boxes.csv", "-o", "out.h5", option, value)
    assert result.status == 2
    assert value in result.error
