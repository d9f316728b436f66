"""`seawall config`: what is configured, whether it is right, and what can be."""

import json
from pathlib import Path

import click
from pydantic import PydanticUserError

_WRONG = 1
"""The exit code of a check that found something."""


@click.group()
def config() -> None:
    """Show and check settings."""


@config.command()
@click.argument("prefix", default="")
def show(prefix: str) -> None:
    """Show the settings that hold, and who said so: a file and line, a variable, or the default.

    With PREFIX only those whose name begins with it, such as "backoff.".
    """
    from seawall.commands.show import effective  # noqa: PLC0415 - not for other commands

    rows = [setting for setting in effective() if setting.name.startswith(prefix)]
    if not rows:
        raise click.UsageError(f"no setting of what runs begins with {prefix!r}; see `seawall config show`")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, value, said_by in rows:
        click.echo(f"{name:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {said_by}")


@config.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Say all that is wrong in files of settings, each with its line and column.

    Without FILE, in those that hold here; when they are right, what is wrong in the variables. Exits 1 if
    anything is wrong, 2 if a file cannot be read.
    """
    from seawall.commands.check import configured, obstacle, problems  # noqa: PLC0415 - not for other commands
    from seawall.settings import files_here  # noqa: PLC0415

    looked_at = files or tuple(files_here())
    holds = None if files else configured()
    found = [
        f"{file}:{problem.place.line}:{problem.place.column}: {problem.said}"
        for file in looked_at
        for problem in problems(file, holds)
    ]
    if not (files or found):
        found = obstacle()
    where = ", ".join(map(str, looked_at)) or "the defaults: there is no file"
    click.echo("\n".join(found) or f"nothing is wrong in {where}")
    ctx.exit(_WRONG if found else 0)


@config.command()
def schema() -> None:
    """Print the JSON Schema of seawall.toml, with the tables of all installed plugins.

    An editor that has it completes and checks what is typed.
    """
    from seawall.commands.schema import schema as schema_of  # noqa: PLC0415 - not for other commands
    from seawall.errors import ConfigError  # noqa: PLC0415
    from seawall.fitness import model_of  # noqa: PLC0415
    from seawall.registry import installed  # noqa: PLC0415
    from seawall.wording import told  # noqa: PLC0415

    models = {}
    for name, plugin in installed().items():
        try:
            model = model_of(plugin.load())
            model.model_json_schema()
        except (ConfigError, PydanticUserError) as error:
            said = error if isinstance(error, ConfigError) else f"{plugin} has no schema: {told(error)}"
            click.echo(f"seawall: {said}; left out", err=True)
        else:
            models[name] = model
    click.echo(json.dumps(schema_of(models), indent=2, ensure_ascii=False))
