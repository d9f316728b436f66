"""The command `seawall watch`; what it runs is imported when it runs."""

import click


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Where to listen; any free port by default."
)
@click.option("--browser/--no-browser", default=True, help="Whether to open a browser at the page.")
def watch(*, port: int, browser: bool) -> None:
    """Show a page with the running calls, rate limits, budgets, circuits and today's spend.

    It is served to this machine alone, under an address that nobody can guess, and shows the calls of all
    processes that share the state. Ctrl-C ends it.
    """
    import threading  # noqa: PLC0415
    import webbrowser  # noqa: PLC0415
    from functools import partial  # noqa: PLC0415

    from seawall.description import describe  # noqa: PLC0415
    from seawall.registry import configured_folder, configured_store, load  # noqa: PLC0415
    from seawall_progress.board import Board  # noqa: PLC0415
    from seawall_progress.server import Server  # noqa: PLC0415

    store = configured_store()
    if not store.blocks:
        click.echo('seawall: state = "memory": no other process can be seen; set `state`', err=True)
    board = Board(store, partial(describe, load(), store, configured_folder()))
    try:
        server = Server(board, port)
    except OSError as error:
        said = f"--port {port}: {error.strerror or error}; without --port any free one is taken"
        raise click.ClickException(said) from error
    click.echo(f"{server.address}\nCtrl-C ends it")
    if browser:
        # one in this terminal returns when it is left, and the page has to be served before
        threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("ended", err=True)
    finally:
        server.close()
