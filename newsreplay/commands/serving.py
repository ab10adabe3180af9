"""The command that serves a recommender."""

from __future__ import annotations

import click

from newsreplay.commands.options import k_option
from newsreplay.errors import NewsreplayError


@click.command()
@click.argument("spec")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 is everybody's."
)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 = any that is free.")
@k_option
@click.option("--seed", default=0, show_default=True, help="Of random choices.")
def serve(spec: str, host: str, port: int, k: int, seed: int) -> None:
    """Let a recommender learn and answer over HTTP, in NewsREEL's ORP and in plain JSON.

    It begins with nothing learned, and a publisher's rows are learned in the order in which they come.

    \b
    newsreplay serve trend --port 8080
    newsreplay run --recommenders "trend,http://localhost:8080"
    """
    try:
        import uvicorn

        from newsreplay.serving.app import App
    except ImportError as error:
        raise NewsreplayError(
            f'serve needs {error.name}, which is not installed: pip install "newsreplay[serve]"'
        ) from None
    from newsreplay.recommenders.base import Setting
    from newsreplay.recommenders.registry import start_list
    from newsreplay.serving.publishers import Serving

    entries = start_list(spec)
    if len(entries) > 1:
        raise NewsreplayError(f"{spec} is {len(entries)} recommenders; serve one, each on a port of its own")
    config = uvicorn.Config(
        App(Serving(entries[0], Setting(seed, k))),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    listening = config.bind_socket()
    listening.listen(config.backlog)  # who comes from now on waits, and is not refused
    place, number = listening.getsockname()[:2]
    shown = f"[{place}]" if ":" in place else place
    click.echo(f"{entries[0].label} answers at http://{shown}:{number}; Ctrl-C ends it")
    uvicorn.Server(config).run(sockets=[listening])
