"""The commands `seawall simulate`, `seawall demo` and `seawall new-plugin`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seawall_testkit.continuation import Misbehaviour
from seawall_testkit.faults import KINDS, Fault

if TYPE_CHECKING:
    from seawall_testkit.journal import Received

_INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


# older versions of click take nothing in brackets
class _FaultText(click.ParamType):  # type: ignore[type-arg]
    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        try:
            return value if isinstance(value, Fault) else Fault.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("is empty; leave it out to accept any", ctx, param)
    return value


@click.command(
    epilog=f"Faults are KIND[@ATTEMPT[xTIMES]][:VALUE][,NAME=VALUE]... of the kinds {', '.join(KINDS)}."
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of texts and ids.")
@click.option("--tokens", type=click.IntRange(1), default=400, show_default=True, help="Length of an answer.")
@click.option(
    "--tokens-per-second", type=click.FloatRange(0, min_open=True), help="As fast as possible if not given."
)
@click.option(
    "--fault", "faults", type=_FaultText(), multiple=True, help="For example reset@1:5; may be repeated."
)
@click.option(
    "--misbehaviour", type=click.Choice([m.value for m in Misbehaviour]), default="exact", show_default=True
)
@click.option("--rpm", type=click.IntRange(1), help="Requests per minute and model class.")
@click.option("--itpm", type=click.IntRange(1), help="Input tokens per minute and model class.")
@click.option("--otpm", type=click.IntRange(1), help="Output tokens per minute and model class.")
@click.option("--count-rpm", type=click.IntRange(1), help="Requests per minute that count tokens.")
@click.option("--model", "more_models", multiple=True, help="A model besides the API's own; may be repeated.")
@click.option("--api-key", callback=_not_empty, help="The only key that is accepted; any if not given.")
def simulate(
    *,
    port: int,
    seed: int,
    tokens: int,
    tokens_per_second: float | None,
    faults: tuple[Fault, ...],
    misbehaviour: str,
    rpm: int | None,
    itpm: int | None,
    otpm: int | None,
    count_rpm: int | None,
    more_models: tuple[str, ...],
    api_key: str | None,
) -> None:
    """Serve a simulated Messages API on this machine, until Ctrl-C."""
    from seawall_testkit.limits import Limits
    from seawall_testkit.simulator import Simulator

    limits = Limits(rpm, itpm, otpm, count_rpm=count_rpm)
    simulator = Simulator(
        port=port,
        seed=seed,
        answer_tokens=tokens,
        tokens_per_second=tokens_per_second,
        faults=faults,
        misbehaviour=misbehaviour,
        more_models=more_models,
        api_key=api_key,
        limits=None if limits == Limits() else limits,
        observer=lambda received: click.echo(summary(received)),
    )

    def announce() -> None:
        click.echo(
            f"Simulated Messages API at {simulator.base_url} (Ctrl-C ends it). Point a client at it with"
        )
        key = "test" if api_key is None else "..."  # it may be one that others must not see
        click.echo(f"  ANTHROPIC_BASE_URL={simulator.base_url} ANTHROPIC_API_KEY={key}")

    try:
        simulator.serve_forever(announce)
    except OSError as error:
        said = f"cannot listen on 127.0.0.1:{port}: {error.strerror or error}"
        raise click.ClickException(f"{said}; without --port any free port is taken") from None
    except KeyboardInterrupt:
        click.echo("ended")
        raise click.exceptions.Exit(_INTERRUPTED) from None


def summary(received: Received) -> str:
    """One line about a request that was answered."""
    parts = [received.method, received.path, str(received.status or "-")]
    if received.conversation:
        parts += [received.conversation[:8], f"attempt {received.attempt}", received.way]
        parts += [f"{received.events_sent} events"] if received.stream else []
        parts += [f"{received.output_tokens} tokens"]
    return " ".join([*parts, received.ended])


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File for the answer.")
@click.pass_context
def demo(ctx: click.Context, output: Path | None) -> None:
    """Watch the same long call with and without protection, through a broken network.

    Needs no key and no network: the Messages API is simulated on this machine.
    """
    from seawall.registry import load
    from seawall_testkit.demo import show

    load()  # what is wrong in the configuration is told before anything is shown
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"there is no folder {str(output.parent)!r} for the answer")
    ctx.exit(0 if show(output) else 1)


@click.command("new-plugin")
@click.argument("name")
def new_plugin(name: str) -> None:
    """Make a folder NAME with a plugin that passes its own tests: change it from there.

    NAME is what people will write into `plugins`, such as my_guard. Nothing is ever overwritten.
    """
    from seawall.registry import installed
    from seawall.settings import TOP
    from seawall_testkit.scaffold import complaint, scaffold

    if said := complaint(name, {*installed(), *TOP}):
        raise click.UsageError(said)
    try:
        written = scaffold(name, Path())
    except FileExistsError:
        raise click.ClickException(f"{name!r} is there already; nothing was written") from None
    for path in written:
        click.echo(path)
    click.echo(f"\nNow: cd {name} && pytest, then pip install -e . and name it in seawall.toml:")
    click.echo(f'plugins = ["streaming", "backoff", "tokens", "progress", "files", "{name}"]')
