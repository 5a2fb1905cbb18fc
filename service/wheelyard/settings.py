"""Every setting, read from the environment in this one place. Must not act on any of them.

Each field can be set as ``WHEELYARD_<FIELD>`` in the environment, in the file that ``WHEELYARD_ENV_FILE`` names, or as
a file ``wheelyard_<field>`` in the directory that ``WHEELYARD_SECRETS_DIR`` names; the first of these wins.
The docstring below a field is its reference text: ``docs/settings.md`` is generated from it.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wheelyard.client_settings import default_state_dir
from wheelyard.domain.index.index import Level
from wheelyard.domain.prebuilds.webhook import read_network
from wheelyard.domain.recipes.source import parse_recipe_source
from wheelyard.errors import SettingsInvalidError

_MIB: Final = 1 << 20
_NETWORK_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_GIB: Final = 1 << 30


def _public_index() -> str:
    """Return the public index's address."""
    # Late, because a parser of HTML comes with it, which would double the time that each command takes to start.
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415

    return PYPI_SIMPLE_ENDPOINT


def _check_recipe_place(text: str) -> str:
    parse_recipe_source(text)
    return text


RecipePlace = Annotated[str, AfterValidator(_check_recipe_place)]


def _read_proxy(text: str) -> str:
    network = read_network(text)
    if network is None or network.prefixlen == 0:
        raise ValueError(f"{text!r} is no address or network of a proxy")
    return str(network)


ProxyNetwork = Annotated[str, AfterValidator(_read_proxy)]


def _check_webhook_host(text: str) -> str:
    if read_network(text) is None and _HOST_NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no host name, address or network")
    return text.lower()


WebhookHost = Annotated[str, AfterValidator(_check_webhook_host)]


class Settings(BaseSettings):
    """How this Wheelyard runs."""

    model_config = SettingsConfigDict(
        env_prefix="WHEELYARD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    state_dir: Path = Field(default_factory=default_state_dir)
    """Directory of everything that is kept: database, index, caches, logs. Default: /var/lib/wheelyard for root,
    else the user's XDG state directory."""

    database_url: SecretStr | None = None
    """PostgreSQL to use, as a URL or a libpq connection string. Unset: an embedded PostgreSQL is started."""

    database_password: SecretStr | None = None
    """Password for ``database_url``, which then needs none in it."""

    index_url: str | None = None
    """Address of the devpi server that holds the wheels. Unset: an embedded devpi is started."""

    index_user: str = "promoter"
    """User that may upload to the index, when ``index_url`` is set."""

    index_password: SecretStr | None = None
    """Password of that user."""

    index_name: str = "wheels/prod"
    """devpi index that proven wheels are published on."""

    staging_user: str = "publisher"
    """User that may upload to the staging index, when ``index_url`` is set."""

    staging_password: SecretStr | None = None
    """Password of that user. Unset: there is no staging index, when ``index_url`` is set."""

    staging_name: str = "wheels/staging"
    """devpi index that staged wheels are published on."""

    devpi_python: Path | None = None
    """Python of a virtual environment that has devpi. Default: one is made in the state directory."""

    publish_level: Level = Level.PROD
    """Where proven wheels are published: ``prod``, or ``staging`` until somebody promotes them."""

    anonymous_read: bool = False
    """Let anybody who reaches the API read the index, builds and logs without a token. Whatever changes something needs
    one. Without it, the index can be read so by programs on this host only, and only from an embedded service that
    listens nowhere else."""

    public_url: str | None = None
    """Address that users reach the API at, if a proxy stands before it; answers name it to installers. Default: the
    address that a request came to."""

    upstream_index_url: str = Field(default_factory=_public_index)
    """Simple API (PEP 503 or 691) that sdists and build requirements come from; a user and password in it are sent to
    its own host only, and shown nowhere. Default: the public one."""

    mirror: Literal["allow", "never"] = "allow"
    """``never``: no prebuild brings upstream's wheels to our index; it builds what it would have mirrored. What was
    mirrored before stays until it is deleted."""

    ca_bundle: Path | None = None
    """File of PEM certificates to trust for TLS, as many companies need; images get it too. Default: the system's."""

    host: str = "127.0.0.1"
    """Address that the API listens on."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8123
    """Port that the API listens on; 0 takes any free one."""

    trusted_proxies: tuple[ProxyNetwork, ...] = ()
    """Addresses and networks of your own reverse proxies, as a JSON list such as ``["127.0.0.1", "10.0.0.0/24"]``. What
    they say of a caller (``X-Forwarded-For``, ``X-Forwarded-Proto``) is believed, and nobody else. Default: none."""

    connections: Annotated[int, Field(ge=16)] = 4096
    """Connections that one API process holds at most; those that wait for a request make way for new ones. It is less
    where the process may not open as many files."""

    connections_per_address: Annotated[int, Field(ge=0)] = 1024
    """Connections that one address may hold in one API process, a trusted proxy's apart; 0 is no limit. Those that wait
    for a request make way for new ones."""

    engine: str | None = None
    """Container engine's program, such as ``docker`` or ``podman``. Default: whichever answers."""

    engine_dir: Path | None = None
    """Directory for what belongs to the container engine: who makes which image now, when each was used and refreshed.
    Workers that share an engine and have a state directory each must share this one. Default: the state directory."""

    engine_open_files: Annotated[int, Field(ge=256)] = 16384
    """Limit of open files that containers get; engines that may not raise limits need it to be no higher than the
    present hard limit."""

    engine_runtime: Annotated[str | None, Field(pattern=r"[A-Za-z0-9/][A-Za-z0-9/._-]*")] = None
    """Engine's runtime for the containers that build, repair and verify, such as ``runsc`` (gVisor) or ``kata``; the
    engine has to know it. Images are made with the engine's default. Default: that one."""

    prefetch_network: str | None = None
    """Engine's network for the container that fetches crates, such as ``host``; it runs no code of the project's. All
    other containers have none, but see ``recipe_network``. Default: the engine's own."""

    recipe_network: Annotated[str | None, Field(max_length=128)] = None
    """Engine's network for builds whose recipe asks for one (``network = true``), such as ``bridge``. Default: none,
    such a build is refused before it starts. The project's code reaches whatever this network reaches; the host's own
    network and other containers' are refused."""

    catalogue: Path | None = None
    """TOML file with your own suites, Pythons and toolchains, laid over the built-in catalogue of builders
    (builders/README.md); the API and every worker of one service need the same. Default: none."""

    apt_mirror: str | None = None
    """Debian mirror that images are made from. Default: the distribution's own."""

    apt_security_mirror: str | None = None
    """Mirror of Debian's security archive. Default: ``apt_mirror`` with ``-security`` after it, as mirrors have it."""

    image_proxy: SecretStr | None = None
    """HTTP proxy for package managers: the bootstrap, image builds, the look for updates; it stays in no image. What
    the service itself fetches goes by ``https_proxy``. Default: none."""

    image_network: str | None = None
    """Engine's network for image builds and the look for updates, such as ``host``; no project's code runs in them.
    Default: the engine's own."""

    base_image: str | None = None
    """Registry image to start from, with ``{suite}`` in it, such as ``debian:{suite}-slim``. To pin images, name one
    for each suite: ``bookworm=debian@sha256:… trixie=debian@sha256:…``. Default: none, the base is bootstrapped from
    the distribution's signed archive."""

    refresh_interval_hours: Annotated[float, Field(ge=0)] = 24.0
    """How often a worker looks for security updates of its host's images and makes those anew that lack any; 0 is
    never. The old image stays in use until the new one is complete."""

    environment_budget_bytes: Annotated[int, Field(ge=0)] = 20 * _GIB
    """Disk space that images with toolchains or recipes' system packages may take together on a host; those that were
    used longest ago are removed first."""

    requests_per_minute: Annotated[int, Field(ge=0)] = 1200
    """Requests that one token (or one address, without a token) may make a minute in one API process, after a burst of
    as many; 0 is no limit."""

    index_requests_per_minute: Annotated[int, Field(ge=0)] = 12_000
    """Pages and files of the index that one token (or one address, where reading needs no token) may ask for a minute
    in one API process, after a burst of as many; 0 is no limit. In the embedded mode, this host is not counted."""

    login_failures_per_minute: Annotated[int, Field(ge=0)] = 30
    """Wrong tokens that one address may present a minute; further ones are told to wait, right ones never. 0 is no
    limit."""

    concurrent_requests_per_token: Annotated[int, Field(ge=0)] = 64
    """Requests of one token that an API process works on at the same time, followed ones apart; 0 is no limit."""

    streams_per_token: Annotated[int, Field(ge=0)] = 50
    """Logs and requests that one token (or one address, without a token) may follow at the same time in one API
    process; 0 is no limit."""

    open_requests_per_token: Annotated[int, Field(ge=0)] = 50
    """Requests for applications that one token may have which are not over; 0 is no limit."""

    open_items_per_token: Annotated[int, Field(ge=0)] = 20_000
    """Items (a release for a target) of these that may be unfinished; 0 is no limit."""

    queued_builds_per_token: Annotated[int, Field(ge=0)] = 2_000
    """Builds that one token may have in the queue; 0 is no limit. Requests for applications leave a quarter of them
    free and start their builds as there is room. What builds require does not count."""

    resolver_processes: Annotated[int, Field(ge=1, le=256)] = 4
    """How often uv, which resolves requirements, may run at the same time in one API or worker process; one caller gets
    at most half of them. Each may use 2 GiB of memory and two minutes."""

    session_hours: Annotated[float, Field(gt=0)] = 12.0
    """How long a sign-in to the web pages lasts."""

    own_projects: tuple[str, ...] = ()
    """Your organisation's own project names, as a JSON list, with ``*`` and ``?`` (``["acme-*"]``). They are never
    taken from the upstream index: not when asked for, not as a requirement of a build or of a wheel. What requires
    them gets them from our own index, if they are there."""

    webhook_secret: Annotated[SecretStr | None, Field(min_length=24)] = None
    """Random text of at least 24 characters. Each receiver of webhooks gets a secret of its own that is derived from it
    (``wheelyard webhook-secret URL``). Unset: requests with a webhook are refused."""

    webhook_former_secret: Annotated[SecretStr | None, Field(min_length=24)] = None
    """The ``webhook_secret`` before this one. Webhooks are signed with both until you unset it, so that receivers have
    time to change theirs."""

    webhook_hosts: tuple[WebhookHost, ...] = ()
    """Where webhooks may go, as a JSON list of host names, addresses and networks, such as ``["ci.example.org",
    "10.0.0.0/8"]``. Empty: to every public address. Loopback and private addresses have to be named."""

    default_python: str = "3.13"
    """Python that a request means if it names none."""

    default_platform: str = "manylinux_2_36_x86_64"
    """Platform that a request means if it names none."""

    recipes: tuple[RecipePlace, ...] = ()
    """Where your own recipes are, as a JSON list of folders and git addresses, such as ``["/etc/recipes",
    "git+https://git.example/recipes@main#subdirectory=python"]``; later ones win over earlier ones and over the
    built-in ones, by project."""

    recipes_interval_seconds: Annotated[float, Field(ge=1)] = 300.0
    """How often git repositories of recipes are fetched."""

    architectures: tuple[str, ...] = ()
    """Machines that the workers have, as a JSON list such as ``["x86_64", "aarch64"]``: what can be asked for. A build
    for one that no worker has waits until there is one. Default: this host's own."""

    worker_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """How many builds one worker runs at the same time."""

    worker_cpus: Annotated[float | None, Field(gt=0)] = None
    """Processors that a worker's builds may take together; each takes what its recipe's limits say, else
    ``limit_cpus``. Default: enough for all slots."""

    worker_memory_bytes: Annotated[int | None, Field(ge=64 * _MIB)] = None
    """Memory that a worker's builds may take together; each takes what its recipe's limits say, else
    ``limit_memory_bytes``. A build that wants more than this goes to another worker. Default: enough for all slots."""

    worker_suites: tuple[str, ...] = ()
    """Suites that this worker builds in, as a JSON list. Default: all that its machine can build."""

    drain_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long a worker that is told to stop lets its builds go on before it hands them back; a second signal ends the
    wait. ``wheelyard up`` hands them back at once."""

    lease_seconds: Annotated[float, Field(ge=2)] = 20.0
    """How long a worker's claim on a build lasts without a heartbeat."""

    max_attempts: Annotated[int, Field(ge=1)] = 5
    """How often a build is begun before it is given up, when workers are lost or something is down that may come back
    (an index, a mirror, the engine). A failure of the project itself is final at once."""

    retry_seconds: Annotated[float, Field(ge=0)] = 15.0
    """How long a build waits before its second attempt, when something was down; each time twice as long, up to a
    quarter of an hour."""

    retain_logs_days: Annotated[float, Field(ge=0)] = 90.0
    """For how long logs of ended attempts are kept; 0 is for ever."""

    retain_builds_days: Annotated[float, Field(ge=0)] = 365.0
    """For how long builds that failed or were cancelled are kept; 0 is for ever. Those with a wheel stay."""

    limit_memory_bytes: Annotated[int, Field(ge=64 * _MIB)] = 6 * _GIB
    """Memory that a build's container may use, its scratch space included, if its recipe does not say."""

    limit_cpus: Annotated[float, Field(gt=0)] = float(os.cpu_count() or 1)
    """Processors that a build's container may use, if its recipe does not say. Default: all."""

    limit_processes: Annotated[int, Field(ge=16)] = 1024
    """Processes and threads that a build's container may have."""

    limit_scratch_bytes: Annotated[int, Field(ge=16 * _MIB)] = 4 * _GIB
    """Size of a container's writable space, if the recipe does not say."""

    limit_time_seconds: Annotated[int, Field(ge=10)] = 3600
    """How long one stage in a container may take, if the recipe does not say."""

    limit_log_bytes: Annotated[int, Field(ge=4096)] = 32 * _MIB
    """Where an attempt's log is cut, with a note, if the recipe does not say."""

    log_bytes_per_second: Annotated[int, Field(ge=_MIB)] = 4 * _MIB
    """How fast a build may write its log on and on, so that its readers follow; as much as one second allows may come
    at once. A build that writes faster waits, what is beyond the log's limit waits for nothing."""

    ceiling_time_seconds: Annotated[int, Field(ge=10)] = 6 * 3600
    """The longest time for a stage that a recipe gets (``limits.time``). Of memory, processors and scratch space it
    gets at most what the worker has (``worker_memory_bytes``, ``worker_cpus``)."""

    ceiling_log_bytes: Annotated[int, Field(ge=4096)] = 256 * _MIB
    """The largest log that a recipe gets (``limits.log``)."""

    limit_wheel_bytes: Annotated[int, Field(ge=_MIB)] = 2 * _GIB
    """Largest output that is taken from a container."""

    limit_sdist_bytes: Annotated[int, Field(ge=_MIB)] = 1 * _GIB
    """Largest sdist that is fetched."""

    disk_floor_bytes: Annotated[int, Field(ge=0)] = 1 * _GIB
    """Free disk space below which nothing new is written."""

    build_number: Annotated[int, Field(ge=1)] = 1
    """Number in the build tag of our wheels' file names; raise it to build everything anew."""

    log_format: Literal["auto", "text", "json"] = "auto"
    """Form of the service's own log: ``text`` for people, ``json`` for programs, one object a line. ``auto`` is text
    on a terminal and JSON elsewhere. Text leaves out questions that were answered, unless the level is ``debug``."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe entries that the service's own log has."""

    @field_validator("recipe_network")
    @classmethod
    def _refuse_shared_network(cls, name: str | None) -> str | None:
        """In the host's network, or in that of a container, a stranger's code reaches what listens on its loopback."""
        if name is not None and (name == "host" or _NETWORK_NAME.fullmatch(name) is None):
            raise ValueError("must be a network of the engine's own, such as bridge: not host, container:… or ns:…")
        return name

    @field_validator("index_url", "apt_mirror", "apt_security_mirror")
    @classmethod
    def _refuse_password(cls, url: str | None) -> str | None:
        """These addresses are shown to users and stay in images, so that a password in them would be no secret."""
        if url is not None and "@" in urlsplit(url).netloc:
            raise ValueError("must not have a user or password in it, because it is shown and kept")
        return url


def load_settings() -> Settings:
    """Return the service's settings; raise SettingsInvalidError with every problem they have."""
    secrets_dir = os.environ.get("WHEELYARD_SECRETS_DIR")
    if secrets_dir is not None and not Path(secrets_dir).is_dir():
        raise SettingsInvalidError(problems=[f"WHEELYARD_SECRETS_DIR: {secrets_dir} is not a directory"])
    try:
        return Settings(_env_file=os.environ.get("WHEELYARD_ENV_FILE"), _secrets_dir=secrets_dir)
    except ValidationError as error:
        problems = [f"WHEELYARD_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsInvalidError(problems=problems) from error
