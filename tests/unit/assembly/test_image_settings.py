"""What an operator sets for images reaches what makes, refreshes and prunes them."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from wheelyard.assembly.images import image_options, image_pruning, image_refreshes
from wheelyard.assembly.parts import Parts
from wheelyard.errors import SettingsInvalidError
from wheelyard.settings import Settings, load_settings


def test_proxy_network_and_mirrors_reach_image_builds(tmp_path: Path) -> None:
    settings = Settings(
        state_dir=tmp_path,
        apt_mirror="http://mirror.test/debian",
        apt_security_mirror="http://mirror.test/security",
        image_proxy=SecretStr("http://user:hunter2@proxy.test:3128"),
        image_network="host",
    )
    options = image_options(settings)
    assert (options.apt_mirror, options.apt_security_mirror) == (settings.apt_mirror, settings.apt_security_mirror)
    assert (options.proxy, options.build_network) == ("http://user:hunter2@proxy.test:3128", "host")
    assert "http_proxy=http://user:hunter2@proxy.test:3128" in options.proxy_args()
    assert "hunter2" not in repr(settings)
    assert "proxy" not in {name for name, _ in options.definition()}


def test_password_in_a_mirror_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELYARD_APT_SECURITY_MIRROR", "http://user:secret@mirror.test/security")
    with pytest.raises(SettingsInvalidError, match="WHEELYARD_APT_SECURITY_MIRROR"):
        load_settings()


@pytest.mark.parametrize(("ceiling", "longest"), [(7200, 7200), (60, 3600)])
def test_superseded_image_outlives_the_longest_build_that_a_recipe_may_ask_for(
    tmp_path: Path, ceiling: int, longest: int
) -> None:
    settings = Settings(state_dir=tmp_path, limit_time_seconds=3600, ceiling_time_seconds=ceiling, engine="no-engine")
    assert image_pruning(Parts(settings))._rules.longest_build == timedelta(seconds=3 * longest)


def test_schedule_leaves_out_suites_that_this_machine_cannot_build(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'schema = 1\n[suite.trixie]\narchitectures = ["aarch64"]\n[suite.bullseye]\narchitectures = ["x86_64"]\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platform.machine", lambda: "x86_64")
        (refreshes,) = image_refreshes(Parts(Settings(state_dir=tmp_path, catalogue=own, engine="no-engine")))
    assert refreshes._suites == ("bullseye", "bookworm")


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (None, None),
        ("", None),
        ("debian:{suite}-slim", "debian:bookworm-slim"),
        ("bookworm=debian@sha256:aa\n trixie=debian@sha256:bb", "debian@sha256:aa"),
        ("bookworm=registry.example:5000/debian:12?a=b", "registry.example:5000/debian:12?a=b"),
    ],
)
def test_base_image_is_one_for_all_suites_or_one_for_each(tmp_path: Path, text: str | None, image: str | None) -> None:
    assert image_options(Settings(state_dir=tmp_path, base_image=text)).base_image_of("bookworm") == image


def test_suite_without_a_base_image_of_its_own_is_named(tmp_path: Path) -> None:
    options = image_options(Settings(state_dir=tmp_path, base_image="trixie=debian@sha256:bb"))
    with pytest.raises(SettingsInvalidError, match="WHEELYARD_BASE_IMAGE names no image for bookworm"):
        options.base_image_of("bookworm")
