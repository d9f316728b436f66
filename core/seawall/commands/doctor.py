"""`seawall doctor`: whether what protected calls need is there, and what to do where it is not."""

import click


@click.command()
@click.option("--online", is_flag=True, help="Also ask the API to count a few tokens, which costs nothing.")
@click.pass_context
def doctor(ctx: click.Context, *, online: bool) -> None:
    """Look for what would keep protected calls from working here, and say what to do about it.

    Exits 1 if anything is wrong. No key is ever shown.
    """
    from seawall.commands import examination  # noqa: PLC0415 - not for other commands

    findings = list(examination.examine(online=online))
    for finding in findings:
        click.echo(f"{finding.verdict:<5}  {finding.said}")
    ctx.exit(1 if any(finding.verdict == "WRONG" for finding in findings) else 0)
