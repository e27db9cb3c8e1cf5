"""Commands of the web pages: `site build`, `site serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broadsheet.commands.checking import Debug

app = typer.Typer(help="The web pages and feeds.", no_args_is_help=True)
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of the site. Default: site in home.")
]


@app.command()
def build(
    out: Out = None,
    full: Annotated[bool, typer.Option("--full", help="Set every page anew.")] = False,
    search: Annotated[bool, typer.Option(help="Bring the search index up to date as well.")] = True,
    debug: Debug = False,
) -> None:
    """Make the site of the history, or bring it up to date."""
    from broadsheet.config import load_settings
    from broadsheet.site import building
    from broadsheet.terminal import progress

    with progress(debug):
        built = building.build(load_settings(), out, is_full=full, is_searched=search)
    print(built)


@app.command()
def serve(
    out: Out = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    debug: Debug = False,
) -> None:
    """Show the built site in a browser on this machine; its pages reload when it is built anew."""
    from broadsheet.config import load_settings
    from broadsheet.site.serving import server

    with server(out or load_settings().home / "site", host, port) as site:
        print(f"http://{host}:{site.server_address[1]}/   (Ctrl-C ends it)", flush=True)
        try:
            site.serve_forever()
        except KeyboardInterrupt:
            print("ended")
