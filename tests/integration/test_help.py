import click
import pytest
from command_tree import every_command

from geograph_types.cli.main import main

COMMANDS = every_command()


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_help_explains_every_option(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: geograph-types {words} " in shown
    options = [one for one in COMMANDS[words].params if isinstance(one, click.Option)]
    for option in options:
        assert option.help, option.opts
        assert option.opts[0] in shown


def test_help_without_a_command_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert {"tag", "bundle", "bundle build", "export encoder", "archive run"} <= COMMANDS.keys()
    for words in COMMANDS:
        assert " " in words or f"\n  {words} " in shown
