"""The doctor: each fault of a host is found, named, and comes with what to do."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from wheelyard.assembly.host_checks import (
    find_engine,
    find_package_mirror,
    load_certificates,
    measure_disk,
    read_engine,
    read_sandbox,
    try_state_dir,
)
from wheelyard.domain.catalogue.reach import PythonReach, SourceTry
from wheelyard.domain.host import DiskFacts, EngineFacts, HostFacts, PortFacts, Probe, SandboxFacts, StateDirFacts
from wheelyard.settings import Settings
from wheelyard.usecases.doctor import Check, CheckStatus, diagnose, has_failure

GIB = 1 << 30
ENGINE = EngineFacts(
    program="docker",
    version="28.2.2",
    storage_driver="overlay2",
    root_dir="/var/lib/docker",
    cgroup_version="2",
    trial=Probe(found="a container"),
    default_runtime="runc",
    runtimes=("runc", "runsc"),
    sandbox=SandboxFacts(is_filtered=True, has_own_kernel=False, has_user_namespace=False),
)
HEALTHY = HostFacts(
    engine=ENGINE,
    engine_error="",
    state_dir=StateDirFacts(path="/var/lib/wheelyard", write_error=None, closed_parents=()),
    disks=(DiskFacts(holds="the engine", path="/var/lib/docker", free_bytes=100 * GIB, total_bytes=200 * GIB),),
    memory_bytes=32 * GIB,
    certificates=Probe(found="/etc/ssl/certs/ca-certificates.crt, 140 authorities"),
    upstream_index=Probe(found="https://index.example/simple/ answers"),
    catalogue=Probe(found="the built-in one, suites bookworm"),
    mmdebstrap=Probe(found="/usr/bin/mmdebstrap"),
    package_mirror=Probe(found="http://mirror.example/debian answers"),
    port=PortFacts(address="127.0.0.1:8123", error=None, is_ours=False),
    postgres=Probe(found="postgres (PostgreSQL) 18.6"),
)
SETTINGS = Settings(state_dir=Path("/var/lib/wheelyard"))
REFUSED = Probe(found="https://index.example", error="certificate verify failed")


def troubles(facts: HostFacts, settings: Settings = SETTINGS) -> list[Check]:
    return [check for check in diagnose(facts, settings) if check.status is not CheckStatus.OK]


def test_healthy_host_has_no_trouble() -> None:
    assert troubles(HEALTHY) == []
    assert not has_failure(diagnose(HEALTHY, SETTINGS))


@pytest.mark.parametrize(
    ("fault", "name", "word"),
    [
        ({"engine": None, "engine_error": "docker: no such program"}, "container engine", "apt-get install"),
        ({"engine": replace(ENGINE, trial=REFUSED)}, "container with our limits", "WHEELYARD_ENGINE_OPEN_FILES"),
        (
            {"state_dir": StateDirFacts(path="/x", write_error="Permission denied", closed_parents=())},
            "state directory",
            "WHEELYARD_STATE_DIR",
        ),
        (
            {"state_dir": StateDirFacts(path="/root/x", write_error=None, closed_parents=("/root",))},
            "state directory",
            "chmod o+x /root",
        ),
        (
            {"disks": (DiskFacts(holds="the engine", path="/", free_bytes=GIB // 2, total_bytes=GIB),)},
            "disk of the engine",
            "Free some space",
        ),
        ({"certificates": REFUSED}, "CA bundle", "WHEELYARD_CA_BUNDLE"),
        ({"upstream_index": REFUSED}, "upstream index", "WHEELYARD_UPSTREAM_INDEX_URL"),
        ({"catalogue": REFUSED}, "catalogue of builders", "WHEELYARD_CATALOGUE"),
        ({"mmdebstrap": REFUSED}, "mmdebstrap", "WHEELYARD_BASE_IMAGE"),
        ({"package_mirror": REFUSED}, "package mirror", "WHEELYARD_APT_MIRROR"),
        ({"port": PortFacts(address=":1", error="in use", is_ours=False)}, "port", "WHEELYARD_PORT"),
        ({"postgres": REFUSED}, "embedded PostgreSQL", "WHEELYARD_DATABASE_URL"),
        ({"git": Probe(found="git", error="it is not on PATH")}, "git", "apt-get install git"),
    ],
)
def test_fault_fails_with_its_remedy(fault: dict[str, object], name: str, word: str) -> None:
    found = troubles(replace(HEALTHY, **fault))  # type: ignore[arg-type]
    assert [(check.name, check.status) for check in found] == [(name, CheckStatus.FAIL)]
    assert word in found[0].remedy


def test_git_is_judged_only_where_its_hosts_are_allowed() -> None:
    assert "git" not in {check.name for check in diagnose(HEALTHY, SETTINGS)}
    with_git = replace(HEALTHY, git=Probe(found="/usr/bin/git"))
    assert ("git", CheckStatus.OK) in {(check.name, check.status) for check in diagnose(with_git, SETTINGS)}


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"engine": replace(ENGINE, storage_driver="vfs")}, "storage driver"),
        ({"memory_bytes": GIB}, "memory"),
        (
            {"disks": (DiskFacts(holds="the engine", path="/", free_bytes=5 * GIB, total_bytes=9 * GIB),)},
            "disk of the engine",
        ),
    ],
)
def test_weakness_is_a_warning_only(fault: dict[str, object], name: str) -> None:
    checks = diagnose(replace(HEALTHY, **fault), SETTINGS)  # type: ignore[arg-type]
    assert [check.name for check in checks if check.status is CheckStatus.WARN] == [name]
    assert not has_failure(checks)


def test_missing_emulator_is_a_warning_that_names_its_package() -> None:
    facts = replace(HEALTHY, emulators=(Probe(found="aarch64", error="Exec format error"),))
    (check,) = troubles(facts)
    assert (check.name, check.status) == ("emulation", CheckStatus.WARN)
    assert "apt-get install qemu-user-static" in check.remedy
    found = diagnose(replace(HEALTHY, emulators=(Probe(found="aarch64, by qemu-user"),)), SETTINGS)
    assert ("emulation", CheckStatus.OK) in {(one.name, one.status) for one in found}


def test_what_is_elsewhere_is_not_checked_here() -> None:
    settings = Settings(database_url=SecretStr("postgresql://db.example/wheelyard"), base_image="debian:{suite}-slim")
    assert troubles(replace(HEALTHY, postgres=REFUSED, mmdebstrap=REFUSED, package_mirror=REFUSED), settings) == []


def test_port_of_our_own_service_is_no_fault() -> None:
    assert troubles(replace(HEALTHY, port=PortFacts(address=":1", error="in use", is_ours=True))) == []


def test_both_engines_describe_themselves() -> None:
    docker = {"ServerVersion": "28.2.2", "Driver": "overlay2", "DockerRootDir": "/d", "CgroupVersion": "2"}
    podman = {
        "host": {"cgroupVersion": "v2"},
        "store": {"graphDriverName": "overlay", "graphRoot": "/p"},
        "version": {"Version": "5.4.2"},
    }
    read = [read_engine("docker", docker, trial=None), read_engine("podman", podman, trial=None)]
    assert [(engine.version, engine.storage_driver, engine.root_dir, engine.cgroup_version) for engine in read] == [
        ("28.2.2", "overlay2", "/d", "2"),
        ("5.4.2", "overlay", "/p", "2"),
    ]


@pytest.mark.parametrize(
    ("rootless", "version", "names"), [(True, "1", ["control groups"]), (True, "2", []), (False, "1", [])]
)
def test_rootless_engine_that_ignores_limits_is_refused(rootless: bool, version: str, names: list[str]) -> None:  # noqa: FBT001 (a case)
    engine = replace(ENGINE, is_rootless=rootless, cgroup_version=version)
    assert [check.name for check in troubles(replace(HEALTHY, engine=engine))] == names


def test_engines_tell_that_they_run_as_an_ordinary_user() -> None:
    docker = {
        "ServerVersion": "28.2.2",
        "Driver": "overlay2",
        "DockerRootDir": "/d",
        "SecurityOptions": ["name=rootless"],
    }
    podman = {
        "host": {"cgroupVersion": "v1", "security": {"rootless": True}},
        "store": {"graphDriverName": "vfs", "graphRoot": "/p"},
        "version": {"Version": "4.3.1"},
    }
    assert read_engine("docker", docker, trial=None).is_rootless
    assert read_engine("podman", podman, trial=None).is_rootless


SEEN = "Name:\tcat\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n         0          0 4294967295\n6.1.0-9-amd64\n"


@pytest.mark.parametrize(
    ("seen", "filtered", "own_kernel", "user_namespace"),
    [
        (SEEN, True, False, False),
        (SEEN.replace("Seccomp:\t2", "Seccomp:\t0"), False, False, False),
        (SEEN.replace("6.1.0-9-amd64", "4.4.0").replace("Seccomp:\t2", "Seccomp:\t0"), False, True, False),
        (SEEN.replace("0          0 4294967295", "0     100000      65536"), True, False, True),
    ],
)
def test_walls_are_read_off_a_container(seen: str, *, filtered: bool, own_kernel: bool, user_namespace: bool) -> None:
    assert read_sandbox(seen, kernel="6.1.0-9-amd64") == SandboxFacts(
        is_filtered=filtered, has_own_kernel=own_kernel, has_user_namespace=user_namespace
    )


def walls(sandbox: SandboxFacts, runtime: str | None = None) -> dict[str, Check]:
    facts = replace(HEALTHY, engine=replace(ENGINE, sandbox=sandbox))
    settings = SETTINGS.model_copy(update={"engine_runtime": runtime})
    return {check.name: check for check in diagnose(facts, settings) if check.name.startswith("sandbox: ")}


def test_walls_are_named_with_a_way_to_higher_ones() -> None:
    assert ENGINE.sandbox is not None
    found = walls(ENGINE.sandbox)
    assert [check.found for check in found.values()] == [
        "runc, on the host's kernel",
        "those in builders/seccomp.json",
        "one for each container, 60706 to 61183, the same on the host",
    ]
    assert "WHEELYARD_ENGINE_RUNTIME=runsc" in found["sandbox: kernel"].remedy
    assert "The engine knows runsc." in found["sandbox: kernel"].remedy
    assert "rootless Podman" in found["sandbox: users"].remedy


def test_runtime_with_a_kernel_of_its_own_needs_no_filter_and_nothing_higher() -> None:
    own = SandboxFacts(is_filtered=False, has_own_kernel=True, has_user_namespace=True)
    found = walls(own, "runsc")
    assert found["sandbox: kernel"].found == "runsc, with a kernel of its own"
    assert {(check.status, check.remedy) for check in found.values()} == {(CheckStatus.OK, "")}


def test_host_kernel_without_a_filter_is_refused() -> None:
    bare = SandboxFacts(is_filtered=False, has_own_kernel=False, has_user_namespace=False)
    assert walls(bare)["sandbox: system calls"].status is CheckStatus.FAIL


def test_missing_engine_is_named_with_its_reason() -> None:
    engine, reason = find_engine(Settings(engine="no-such-engine"))
    assert engine is None
    assert reason == "no-such-engine: No such file or directory"


def test_state_directory_that_must_still_be_made_is_fine(tmp_path: Path) -> None:
    facts = try_state_dir(tmp_path / "a" / "b")
    assert facts.write_error is None
    assert not (tmp_path / "a").exists()
    assert measure_disk("x", tmp_path / "a" / "b").total_bytes > 0


def test_state_directory_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert try_state_dir(tmp_path / "file" / "state").write_error is not None


def test_closed_parent_is_found_by_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    (closed / "state").mkdir(parents=True)
    closed.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert str(closed) in try_state_dir(closed / "state").closed_parents


def test_ca_bundle_must_hold_certificates(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    assert load_certificates(bundle).error == "No such file or directory"
    bundle.write_text("not a certificate")
    assert load_certificates(bundle).error is not None


def test_set_mirror_wins() -> None:
    assert find_package_mirror(Settings(apt_mirror="http://mirror.example/debian")) == "http://mirror.example/debian"


def test_pythons_that_cannot_be_had_are_named_with_what_was_tried() -> None:
    tried = (SourceTry(url="https://mirror.test/Python-3.15.2.tar.xz", answer="it answered 404 Not Found"),)
    reports = tuple(
        PythonReach(
            architecture="x86_64",
            suite=suite,
            python=python,
            reachable=python == "3.13",
            version="3.13.15" if python == "3.13" else "",
            tried=() if python == "3.13" else tried,
        )
        for suite in ("bookworm", "trixie")
        for python in ("3.15", "3.15t", "3.13")
    )
    checks = diagnose(replace(HEALTHY, pythons=reports), SETTINGS)
    ok, warning = (check for check in checks if check.name == "Pythons")
    assert ok.found == "3.13 (3.13.15)"
    assert warning.found == f"3.15, 3.15t: source-unreachable; tried {tried[0]}"
    assert "WHEELYARD_PYTHON_MIRROR" in warning.remedy
    assert not has_failure(checks)
    emulated = tuple(replace(one, architecture="aarch64", reachable=False, tried=tried) for one in reports[1:3])
    both = diagnose(replace(HEALTHY, pythons=(*reports, *emulated)), SETTINGS)
    _, warning = (check for check in both if check.name == "Pythons")
    assert warning.found.startswith("3.15 on x86_64, 3.15t, 3.13 on aarch64: source-unreachable")
    nothing = diagnose(replace(HEALTHY, pythons=reports[:2]), SETTINGS)
    assert has_failure(nothing)
