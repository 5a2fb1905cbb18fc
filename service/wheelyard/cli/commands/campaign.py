"""Options and help of the ``campaign`` commands. What they do is in ``cli/campaigns``."""
# ruff: noqa: D301, PLC0415  "\b" keeps lines of help apart and must reach typer as one character; and what a
# command needs is imported when it runs, so that --help takes a fraction of a second.

from pathlib import Path
from typing import Annotated, Literal

import typer

from wheelyard.cli.commands.options import JsonOption, UrlOption, complete_platform

WatchOption = Annotated[bool, typer.Option("--watch", help="Follow it until nothing changes without a person.")]
CampaignArgument = Annotated[str, typer.Argument(metavar="ID", help="The campaign's id, or its beginning.")]

app = typer.Typer(
    no_args_is_help=True,
    help="Build everything that the index or a file has for another Python, and see what is ready.",
)


@app.command()
def python(  # noqa: PLR0913  (one parameter an option)
    version: Annotated[str, typer.Argument(metavar="X.Y", help="The Python to build for, such as 3.14 or 3.13t.")],
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="index|FILE",
            help="What to build: 'index' is the newest release of each project on the index; a file is a requirements "
            "or lock file.",
        ),
    ],
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            metavar="TAG",
            autocompletion=complete_platform,
            help="Platform, from 'wheelyard targets'; it decides the suite.",
        ),
    ] = None,
    prefer: Annotated[
        Literal["upstream", "own"],
        typer.Option("--prefer", help="upstream: mirror upstream's wheels where they fit; own: build everything."),
    ] = "upstream",
    watch: WatchOption = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Begin a campaign: build everything that the index or a file has for another Python.

    It stays open until everything is ready. A changed recipe, a retried build, an uploaded wheel or a newer release
    on the index builds again what depends on it, and nothing else. The same command again joins the open campaign.
    With --watch the exit code is 0 only if everything is ready.

    \b
    [bold]Examples[/bold]
    wheelyard campaign python 3.14 --from index
    wheelyard campaign python 3.13t --from uv.lock --watch
    """
    from pydantic import ValidationError

    from wheelyard.api.schemas.campaigns import NewCampaign
    from wheelyard.cli.campaigns.show import begin
    from wheelyard.cli.client import open_client
    from wheelyard.cli.dependency_files import GivenFiles, gather_files

    given = GivenFiles() if source == "index" else gather_files([Path(source)], folder=Path.cwd())
    wanted = {"file": given.start, "files": given.files, "python": version, "platform": platform, "prefer": prefer}
    try:
        campaign = NewCampaign.model_validate(wanted)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise typer.BadParameter(problems) from error
    with open_client(url) as client:
        raise typer.Exit(begin(client, campaign, watches=watch, as_json=as_json))


@app.command()
def show(
    campaign: CampaignArgument,
    *,
    everything: Annotated[bool, typer.Option("--all", help="List what is ready, too.")] = False,
    watch: WatchOption = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """Show how much of a campaign is ready, what failed and why, and what blocks most.

    \b
    [bold]Example[/bold]
    wheelyard campaign show 1f2e3d4c --watch
    """
    from wheelyard.cli.campaigns.show import show as show_campaign
    from wheelyard.cli.campaigns.show import watch as watch_campaign
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        view = client.campaign(client.find_campaign(campaign))
        if watch:
            raise typer.Exit(watch_campaign(client, view, as_json=as_json))
        show_campaign(view, everything=everything, as_json=as_json)


@app.command("list")
def list_(
    *,
    state: Annotated[
        Literal["open", "done", "cancelled"] | None, typer.Option("--state", help="Only campaigns in this state.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Maximum number to show.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = None,
) -> None:
    """List campaigns, newest first, with how much of each is ready."""
    from wheelyard.cli.campaigns.show import list_campaigns
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        raise typer.Exit(list_campaigns(client, state=state, limit=limit, as_json=as_json))


@app.command()
def stop(campaign: CampaignArgument, *, as_json: JsonOption = False, url: UrlOption = None) -> None:
    """Stop a campaign: start no more builds, and cancel queued ones that nothing else needs."""
    from wheelyard.cli.campaigns.show import show as show_campaign
    from wheelyard.cli.client import open_client

    with open_client(url) as client:
        show_campaign(client.stop_campaign(client.find_campaign(campaign)), everything=False, as_json=as_json)
