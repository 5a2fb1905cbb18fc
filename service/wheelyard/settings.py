"""All settings of the service. Only this module reads them from the environment.

Each field can be set as ``WHEELYARD_<FIELD>`` in the environment, in the file that ``WHEELYARD_ENV_FILE`` names, or as
a file ``wheelyard_<field>`` in the directory that ``WHEELYARD_SECRETS_DIR`` names; the first of these wins.
``docs/settings.md`` is generated from the docstrings of the fields.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wheelyard.client_settings import default_state_dir
from wheelyard.domain.builds.git_source import GitHosts
from wheelyard.domain.catalogue.optimisation import OptimisedMode
from wheelyard.domain.healing.healing import HealMode
from wheelyard.domain.index.index import FileSender, Level
from wheelyard.domain.prebuilds.webhook import read_network
from wheelyard.domain.recipes.source import parse_recipe_source
from wheelyard.domain.recipes.types import LicensePattern
from wheelyard.errors import SettingsInvalidError

_MIB: Final = 1 << 20
_NETWORK_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_GIB: Final = 1 << 30


def _public_index() -> str:
    """Return the public index's address."""
    # Imported late, because it imports an HTML parser, which doubles the start time of each command.
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415

    return PYPI_SIMPLE_ENDPOINT


def _check_recipe_place(text: str) -> str:
    parse_recipe_source(text)
    return text


RecipePlace = Annotated[str, AfterValidator(_check_recipe_place)]


def _read_proxy(text: str) -> str:
    network = read_network(text)
    if network is None or network.prefixlen == 0:
        raise ValueError(f"{text!r} is not an address or network of a proxy")
    return str(network)


ProxyNetwork = Annotated[str, AfterValidator(_read_proxy)]


def _check_webhook_host(text: str) -> str:
    if read_network(text) is None and _HOST_NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a host name, address or network")
    return text.lower()


WebhookHost = Annotated[str, AfterValidator(_check_webhook_host)]


def _check_git_host(text: str) -> str:
    GitHosts.of([text])
    return text


GitHost = Annotated[str, AfterValidator(_check_git_host)]


class Settings(BaseSettings):
    """Settings of a service, a worker or an operator's command."""

    model_config = SettingsConfigDict(
        env_prefix="WHEELYARD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    state_dir: Path = Field(default_factory=default_state_dir)
    """Directory of all state: database, index, caches, logs. Default: /var/lib/wheelyard for root, else the user's XDG
    state directory."""

    database_url: SecretStr | None = None
    """PostgreSQL database, as a URL or a libpq connection string. Unset: an embedded PostgreSQL is started."""

    database_password: SecretStr | None = None
    """Password for a ``database_url`` without one."""

    index_url: str | None = None
    """Address of the devpi server that holds the wheels. Unset: an embedded devpi is started."""

    index_user: str = "promoter"
    """User that may upload to the index, when ``index_url`` is set."""

    index_password: SecretStr | None = None
    """Password of that user."""

    index_name: str = "wheels/prod"
    """devpi index that tested wheels are published on."""

    staging_user: str = "publisher"
    """User that may upload to the staging index, when ``index_url`` is set."""

    staging_password: SecretStr | None = None
    """Password of that user. If ``index_url`` is set and this is not, there is no staging index."""

    staging_name: str = "wheels/staging"
    """devpi index that staged wheels are published on."""

    devpi_python: Path | None = None
    """Python of a virtual environment with devpi. Default: a virtual environment in the state directory, made when it
    is needed."""

    publish_level: Level = Level.PROD
    """Where tested wheels are published: on ``prod``, or on ``staging`` until they are promoted."""

    heal: HealMode = HealMode.ON
    """What is done with what a project turns out to need: ``on`` adds it and goes on, ``propose`` writes the
    recipe that would add it beside the failure, ``off`` does neither."""

    healed_level: Level | None = None
    """Where wheels are published whose build needed more than its recipe said. Default: ``publish_level``."""

    anonymous_read: bool = False
    """Allow reading the index, builds and logs without a token. Changes always need a token. If it is false, only
    programs on this host can read the index without a token, and only from an embedded service that listens on the
    loopback address only."""

    public_url: str | None = None
    """Address of the API for its users, if it is behind a proxy. Install commands use it. Default: the address that a
    request was sent to."""

    upstream_index_url: str = Field(default_factory=_public_index)
    """Upstream index (PEP 503 or 691) of sdists and build requirements. A user and password in the address are sent to
    that host only and never shown. Default: the public index."""

    mirror: Literal["allow", "never"] = "allow"
    """``never``: prebuilds do not mirror upstream's wheels; they build these projects instead. Wheels that were
    mirrored before stay until they are deleted."""

    campaign_builds: Annotated[int, Field(ge=1)] = 8
    """Maximum number of builds of one campaign that are queued or running at a time, so that others have their turn."""

    ca_bundle: Path | None = None
    """File with PEM certificates of trusted authorities for TLS, such as a company's own. Images get them too. Default:
    the system's."""

    authority_certificate: Path | None = None
    """PEM file with the certificate of the authority that issues signing certificates, with a key of the curve P-256.
    The API needs it, workers do not. Default: an authority of the service's own, made at the first start, in the folder
    ``authority`` of the state directory."""

    authority_key: Path | None = None
    """PEM file with the private key of ``authority_certificate``."""

    authority_command: tuple[str, ...] = ()
    """Program that signs with the key of ``authority_certificate``, instead of a file with it, as a JSON list of the
    program and its arguments. It gets the bytes to sign on its standard input and writes an ECDSA signature with
    SHA-256 in DER. It is how a KMS or a PKCS#11 token is used."""

    authority_name: Annotated[str, Field(min_length=1, max_length=64)] = "Wheelyard authority"
    """Name in the certificate of an authority that is made, such as ``Example Ltd wheels``."""

    signing_days: Annotated[float, Field(gt=0.01, le=825)] = 7.0
    """How long the signing certificates of workers are valid. They are renewed after half of that."""

    host: str = "127.0.0.1"
    """Address that the API listens on."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8123
    """Port that the API listens on; 0 is any free port."""

    trusted_proxies: tuple[ProxyNetwork, ...] = ()
    """Addresses and networks of your own reverse proxies, as a JSON list such as ``["127.0.0.1", "10.0.0.0/24"]``. Only
    their ``X-Forwarded-For`` and ``X-Forwarded-Proto`` headers are trusted. Default: none."""

    connections: Annotated[int, Field(ge=16)] = 4096
    """Maximum number of connections of one API process. At the limit, a connection without a request is closed for a
    new one. The limit on open files of the process may lower it."""

    connections_per_address: Annotated[int, Field(ge=0)] = 1024
    """Maximum number of connections from one address to one API process, except from trusted proxies; 0 is no limit. At
    the limit, a connection without a request is closed for a new one."""

    engine: str | None = None
    """Program of the container engine, such as ``docker`` or ``podman``. Default: the first one that works."""

    engine_dir: Path | None = None
    """Directory of the state of a container engine: locks on images, times of their last use and refresh. Workers that
    share an engine, but not a state directory, must share this directory. Default: the state directory."""

    engine_open_files: Annotated[int, Field(ge=256)] = 16384
    """Limit on open files in containers. If the engine may not raise limits, it must not be higher than the present
    hard limit."""

    engine_runtime: Annotated[str | None, Field(pattern=r"[A-Za-z0-9/][A-Za-z0-9/._-]*")] = None
    """Runtime of the containers that build, repair and verify, such as ``runsc`` (gVisor) or ``kata``. It must be
    registered with the engine. Images are made with the engine's default runtime. Default: the engine's default."""

    prefetch_network: str | None = None
    """Network of the container that fetches crates, such as ``host``. This container runs no code of the project. All
    other containers have no network, but see ``recipe_network``. Default: the engine's default network."""

    recipe_network: Annotated[str | None, Field(max_length=128)] = None
    """Network of builds whose recipe asks for one (``network = true``), such as ``bridge``. The project's code can
    reach whatever this network reaches. The networks of the host and of other containers are refused. Default: none, so
    such a build is refused before it starts."""

    catalogue: Path | None = None
    """TOML file with your own suites, Pythons and toolchains, which extends the built-in catalogue of builders
    (builders/README.md). The API and all workers of a service need the same file. Default: none."""

    apt_mirror: str | None = None
    """Debian mirror for images. Default: the distribution's own."""

    apt_security_mirror: str | None = None
    """Mirror of Debian's security archive. Default: ``apt_mirror`` with ``-security`` appended, as is usual on
    mirrors."""

    python_mirror: str | None = None
    """Mirror of ``https://www.python.org/ftp/python`` for CPython's sources, such as ``https://mirror.example/python``.
    It is asked before the catalogue's addresses; what it sends must have the catalogue's sha256. Default: none."""

    image_proxy: SecretStr | None = None
    """HTTP proxy for package managers, in the bootstrap, in image builds and in checks for updates. It is not stored in
    images. The service's own downloads use ``https_proxy``. Default: none."""

    image_network: str | None = None
    """Network of image builds and of checks for updates, such as ``host``. They run no code of a project. Default: the
    engine's default network."""

    base_image: str | None = None
    """Image of a registry to start from, with ``{suite}`` in its name, such as ``debian:{suite}-slim``. To pin images,
    name one for each suite: ``bookworm=debian@sha256:… trixie=debian@sha256:…``. Default: none, so the base is
    bootstrapped from the distribution's signed archive."""

    refresh_interval_hours: Annotated[float, Field(ge=0)] = 24.0
    """Interval at which a worker checks its host's images for security updates and rebuilds outdated ones; 0 is never.
    An old image stays in use until the new one is complete."""

    optimised_python: OptimisedMode = OptimisedMode.OFF
    """When Pythons are compiled again with profile-guided and link-time optimisation, so that builders and runtimes are
    faster. The first wheel is made with the quickly compiled one. ``background``: a worker that had no build for two
    minutes compiles at the lowest priority, and the result takes over when its tests pass. ``now``: the first wheel
    waits for it. ``off``: only ``wheelyard builders build --optimised`` compiles; the default until it has run through
    on more machines. Wheels are the same in any case."""

    environment_budget_bytes: Annotated[int, Field(ge=0)] = 20 * _GIB
    """Total disk space on a host for images with toolchains or with recipes' system packages. The least recently used
    ones are removed first."""

    requests_per_minute: Annotated[int, Field(ge=0)] = 1200
    """Maximum number of requests a minute for one token (or one address without a token) to one API process, after a
    burst of the same number; 0 is no limit."""

    index_requests_per_minute: Annotated[int, Field(ge=0)] = 12_000
    """Maximum number of pages and files of the index a minute for one token (or one address, where reading needs no
    token) from one API process, after a burst of the same number; 0 is no limit. In the embedded mode, requests from
    this host do not count."""

    login_failures_per_minute: Annotated[int, Field(ge=0)] = 30
    """Maximum number of invalid tokens a minute from one address; 0 is no limit. At the limit, further invalid tokens
    are refused with a time to wait; valid tokens are never refused."""

    concurrent_requests_per_token: Annotated[int, Field(ge=0)] = 64
    """Maximum number of concurrent requests of one token in one API process, without followed logs and requests; 0 is
    no limit."""

    streams_per_token: Annotated[int, Field(ge=0)] = 50
    """Maximum number of logs and requests that one token (or one address without a token) follows at the same time in
    one API process; 0 is no limit."""

    open_requests_per_token: Annotated[int, Field(ge=0)] = 50
    """Maximum number of unfinished requests for applications of one token; 0 is no limit."""

    open_items_per_token: Annotated[int, Field(ge=0)] = 20_000
    """Maximum number of unfinished items (a release for a target) of these requests; 0 is no limit."""

    queued_builds_per_token: Annotated[int, Field(ge=0)] = 2_000
    """Maximum number of queued builds of one token; 0 is no limit. Requests for applications leave a quarter of it
    free, and start further builds when earlier ones have left the queue. Build dependencies do not count."""

    open_upload_bytes_per_token: Annotated[int, Field(ge=0)] = 32 * _GIB
    """Maximum total size of the uploads of one token that wait for the end of their test; 0 is no limit. The database
    stores these bytes meanwhile."""

    uploads_per_minute: Annotated[int, Field(ge=0)] = 600
    """Maximum number of uploads a minute with one token to one API process, after a burst of the same number; 0 is no
    limit."""

    upload_bytes_per_minute: Annotated[int, Field(ge=0)] = 8 * _GIB
    """Maximum total size of the uploads with one token to one API process in a minute, after a burst of the same size;
    0 is no limit. Smaller than ``limit_upload_bytes``, it is the limit of a file."""

    concurrent_uploads: Annotated[int, Field(ge=0)] = 256
    """Maximum number of uploads that one API process receives at the same time, of all tokens together; 0 is no limit.
    One token may send ``concurrent_requests_per_token`` of them."""

    upload_receive_seconds: Annotated[float, Field(gt=0)] = 1800.0
    """Maximum time until an upload has arrived."""

    resolver_processes: Annotated[int, Field(ge=1, le=256)] = 4
    """Maximum number of resolver processes (uv) at the same time in one API or worker process. One caller gets at most
    half of them. Each may use 2 GiB of memory and two minutes."""

    session_hours: Annotated[float, Field(gt=0)] = 12.0
    """Length of a session on the web pages."""

    own_projects: tuple[str, ...] = ()
    """Your organisation's own project names, as a JSON list, with ``*`` and ``?`` (``["acme-*"]``). These projects are
    never taken from the upstream index, neither when requested nor as a requirement of a build or of a wheel. They come
    from our own index only. A pattern with a final ``*`` reserves a namespace that the index' JSON shows (PEP 752)."""

    deny_licenses: tuple[LicensePattern, ...] = ()
    """Licenses that no wheel may carry, as a JSON list of SPDX names with ``*`` and ``?`` (``["AGPL-*", "GPL-3.0*"]``).
    A build that grafts or links something with one of them fails as ``license-denied``. ``NOASSERTION`` denies what has
    no known license. All workers need the same list. Default: none."""

    git_hosts: tuple[GitHost, ...] = ()
    """Hosts from which sources in git may be built, as a JSON list such as ``["git.example", "github.com/acme",
    "git.example:8443"]``; a folder allows only the repositories in it. Only https is used, except for entries that
    begin with ``http://``. The API and all workers of a service need the same list. Default: none."""

    file_hosts: tuple[GitHost, ...] = ()
    """Hosts from which prebuilds fetch sdists and wheels at addresses (``NAME @ https://HOST/FILE#sha256=…``), as a
    JSON list in the form of ``git_hosts``. Redirects are followed to these hosts only. A listed host may have a private
    address. The API and all workers of a service need the same list. Default: none."""

    webhook_secret: Annotated[SecretStr | None, Field(min_length=24)] = None
    """Random text of at least 24 characters. The secret of each receiver of webhooks is derived from it (``wheelyard
    webhook-secret URL``). Unset: requests with a webhook are refused."""

    webhook_former_secret: Annotated[SecretStr | None, Field(min_length=24)] = None
    """The previous ``webhook_secret``. Webhooks are signed with both until you unset it, so that receivers have time to
    change their secrets."""

    webhook_hosts: tuple[WebhookHost, ...] = ()
    """Allowed receivers of webhooks, as a JSON list of host names, addresses and networks, such as ``["ci.example.org",
    "10.0.0.0/8"]``. Empty: all public addresses. Loopback and private addresses must be listed."""

    default_python: str | None = None
    """Python of requests that name none. Default: the newest one that is reachable and stable, so neither free-threaded
    nor a pre-release; the catalogue's default while no worker has reported which are reachable."""

    default_platform: str = "manylinux_2_36_x86_64"
    """Platform of requests that name none."""

    recipes: tuple[RecipePlace, ...] = ()
    """Folders and git repositories with your own recipes, as a JSON list such as ``["/etc/recipes",
    "git+https://git.example/recipes@main#subdirectory=python"]``. For each project, a later recipe replaces an earlier
    one and the built-in one; a recipe in the service's database (``wheelyard recipe put``) replaces all of them."""

    recipes_interval_seconds: Annotated[float, Field(ge=1)] = 300.0
    """Interval at which git repositories of recipes are fetched."""

    architectures: tuple[str, ...] = ()
    """Architectures that wheels can be requested for, as a JSON list such as ``["x86_64", "aarch64"]``. A build for an
    architecture without a worker waits until there is one. Default: this host's and those of ``worker_emulates``."""

    worker_emulates: tuple[Literal["aarch64"], ...] = ()
    """Architectures that this worker also builds for by emulation, as a JSON list: ``["aarch64"]`` on an x86_64 host.
    It needs qemu-user and binfmt_misc (``wheelyard doctor`` checks them), and takes such a build only while no active
    worker has that architecture. Default: none."""

    emulation_time_factor: Annotated[float, Field(ge=1)] = 20.0
    """How many times longer a stage may take if it is emulated: the limit of its recipe, or of the operator, times
    this."""

    worker_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """Maximum number of builds that a worker runs at the same time."""

    worker_cpus: Annotated[float | None, Field(gt=0)] = None
    """Total processors for the builds of a worker. Each build takes the limit of its recipe, else ``limit_cpus``.
    Default: enough for all slots."""

    worker_memory_bytes: Annotated[int | None, Field(ge=64 * _MIB)] = None
    """Total memory for the builds of a worker. Each build takes the limit of its recipe, else ``limit_memory_bytes``. A
    build that needs more than this goes to another worker. Default: enough for all slots."""

    worker_suites: tuple[str, ...] = ()
    """Suites that this worker builds for, as a JSON list. Default: all suites of its architecture."""

    drain_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long a stopping worker lets its builds go on before it returns them to the queue. A second signal ends this
    time. ``wheelyard up`` returns them at once."""

    lease_seconds: Annotated[float, Field(ge=2)] = 20.0
    """How long a worker's lease on a build lasts without a heartbeat."""

    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Maximum number of attempts of a build, if workers are lost or a service is down for a time (an index, a mirror,
    the engine). A failure of the project itself is final at once."""

    retry_seconds: Annotated[float, Field(ge=0)] = 15.0
    """How long a build waits before its second attempt, if a service was down. The time doubles with each attempt, up
    to 15 minutes."""

    retain_logs_days: Annotated[float, Field(ge=0)] = 90.0
    """How long the logs of ended attempts, and the bytes of refused uploads and of folders whose build failed, are
    stored; 0 is for ever."""

    retain_builds_days: Annotated[float, Field(ge=0)] = 365.0
    """How long failed and cancelled builds are stored; 0 is for ever. Builds with a wheel are stored for ever."""

    limit_memory_bytes: Annotated[int, Field(ge=64 * _MIB)] = 6 * _GIB
    """Memory limit of a build's container, scratch space included, unless the recipe sets one."""

    limit_cpus: Annotated[float, Field(gt=0)] = float(os.cpu_count() or 1)
    """Processors of a build's container, unless the recipe sets a limit. Default: all."""

    limit_processes: Annotated[int, Field(ge=16)] = 1024
    """Maximum number of processes and threads in a build's container."""

    limit_scratch_bytes: Annotated[int, Field(ge=16 * _MIB)] = 4 * _GIB
    """Size of a container's writable space, unless the recipe sets one."""

    limit_time_seconds: Annotated[int, Field(ge=10)] = 3600
    """Time limit of one stage in a container, unless the recipe sets one."""

    limit_log_bytes: Annotated[int, Field(ge=4096)] = 32 * _MIB
    """Maximum size of an attempt's log, unless the recipe sets one. A longer log is cut, with a note."""

    log_bytes_per_second: Annotated[int, Field(ge=_MIB)] = 4 * _MIB
    """Maximum rate at which a build writes its log, so that readers can follow; bursts may have the size of one second.
    A build that writes faster is throttled. Output beyond the log's limit is not throttled."""

    ceiling_time_seconds: Annotated[int, Field(ge=10)] = 6 * 3600
    """Upper bound of ``limits.time`` in recipes. The bounds of memory, scratch space and processors are those of the
    worker (``worker_memory_bytes``, ``worker_cpus``)."""

    ceiling_log_bytes: Annotated[int, Field(ge=4096)] = 256 * _MIB
    """Upper bound of ``limits.log`` in recipes."""

    limit_wheel_bytes: Annotated[int, Field(ge=_MIB)] = 2 * _GIB
    """Maximum size of the output of a container."""

    limit_sdist_bytes: Annotated[int, Field(ge=_MIB)] = 1 * _GIB
    """Maximum size of an sdist."""

    limit_upload_bytes: Annotated[int, Field(ge=_MIB)] = 1 * _GIB
    """Maximum size of an uploaded file."""

    upload_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 60.0
    """How long the answer to an upload waits for the end of its test, or for the first wheel of an sdist. What takes
    longer is accepted as pending; 0 never waits."""

    disk_floor_bytes: Annotated[int, Field(ge=0)] = 1 * _GIB
    """Minimum free disk space. Below it, nothing new is written."""

    file_cache_bytes: Annotated[int, Field(ge=0)] = 4 * _GIB
    """Total size of the copies of the index's files on a host of the API, which it sends to installers. The least
    recently used ones are removed first; 0 has every download come from devpi."""

    file_sender: FileSender = FileSender.API
    """What sends the copies: ``api``, or the proxy before it, told by the header ``X-Accel-Redirect`` (``nginx``) or
    ``X-Sendfile`` (``caddy``). With a proxy, installers must not reach the API past it: they would get empty files."""

    build_number: Annotated[int, Field(ge=1)] = 1
    """Build number in the file names of our wheels. Raise it to rebuild everything."""

    log_format: Literal["auto", "text", "json"] = "auto"
    """Format of the service's own log: ``text`` for people, ``json`` for programs, one object a line. ``auto`` is text
    on a terminal and JSON elsewhere. Text has no entries for answered requests, unless the level is ``debug``."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum severity of entries in the service's own log."""

    @field_validator("recipe_network")
    @classmethod
    def _refuse_shared_network(cls, name: str | None) -> str | None:
        """Refuse the networks of the host and of containers, whose loopback addresses untrusted code could reach."""
        if name is not None and (name == "host" or _NETWORK_NAME.fullmatch(name) is None):
            raise ValueError("must be a network of the engine's own, such as bridge: not host, container:… or ns:…")
        return name

    @field_validator("index_url", "apt_mirror", "apt_security_mirror")
    @classmethod
    def _refuse_password(cls, url: str | None) -> str | None:
        """Refuse a user or password in addresses that are shown to users or stored in images."""
        if url is not None and "@" in urlsplit(url).netloc:
            raise ValueError("must not contain a user or password, because it is shown and stored")
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
