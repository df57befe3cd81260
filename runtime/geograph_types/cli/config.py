"""Defaults of commands from a TOML file: a table for each command, its options as keys."""

from pathlib import Path
from typing import Any, Final

import click

from geograph_types.cli.options import existing_file
from geograph_types.errors import InputError

COMMANDS: Final = ("tag", "serve", "photils")
"""Those that take defaults."""


def platform_file() -> Path:
    """Return the file that is read if none is named; it need not be there.

    Its folder is ~/.config (Linux), ~/Library/Application Support (macOS) or %APPDATA% (Windows).
    """
    return Path(click.get_app_dir("geograph-types"), "config.toml")


def _read_config(path: Path) -> dict[str, dict[str, Any]]:
    """Read the tables of a file; the commands check the keys of their own."""
    import tomllib

    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as TOML ({error})") from None
    for name, table in tables.items():
        _check(path, "a command with defaults", name, COMMANDS)
        if not isinstance(table, dict):
            raise InputError(f"{path}: {name} is not a table: write [{name}]")
    return tables


def defaults_of(command: click.Command, path: Path) -> dict[str, Any]:
    """Return a command's defaults in a file, by parameter; paths are relative to its folder."""
    options = {
        max(one.opts, key=len).removeprefix("--"): one
        for one in command.params
        if isinstance(one, click.Option) and one.name != "config"
    }
    found = {}
    for key, value in _read_config(path).get(command.name or "", {}).items():
        _check(path, f"an option of '{command.name}'", key, options)
        option = options[key]
        try:
            read = option.type_cast_value(click.Context(command), _as_typed(option, value))
            if isinstance(read, Path):
                read = path.parent / read.expanduser()
        except (click.BadParameter, ValueError, RuntimeError) as error:
            problem = getattr(error, "message", error)
            raise InputError(f"{path}: {command.name}.{key}: {problem}") from None
        found[option.name or key] = read
    return found


def _as_typed(option: click.Option, value: Any) -> Any:
    """Return a value as the command line has it: flags, texts, and lists of texts."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise ValueError("write true or false")
        return value
    if option.multiple and not isinstance(value, list):
        raise ValueError("write a list, with brackets")
    values = value if option.multiple else [value]
    if any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in values):
        raise ValueError("write a text in quotes, or a number")
    return [str(one) for one in values] if option.multiple else str(value)


def _check(path: Path, what: str, name: str, known: Any) -> None:
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        instead = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
        raise InputError(f"{path}: {name!r} is not {what}: {instead}")


def _apply(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    file = path or platform_file()
    if path or file.is_file():
        ctx.default_map = defaults_of(ctx.command, file)


config_option = click.option(
    "--config",
    type=existing_file,
    is_eager=True,
    expose_value=False,
    callback=_apply,
    metavar="FILE",
    help="Take defaults from this TOML file; else from config.toml in the user's config folder.",
)
