"""Check files with the stand-alone module; fetch what is attested of them from a service, if that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from wheelyard.cli.client import WheelyardClient, open_client
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.errors import NotVerifiableError
from wheelyard.provenance_check import (
    SUFFIX,
    CheckError,
    FindProvenance,
    Result,
    Wanted,
    beside,
    check_all,
    read_authority,
    report,
)


def run_verify(  # noqa: PLR0913  (one for each option)
    target: Path,
    *,
    authority: Path | None,
    revoked: Sequence[Path],
    folder: Path | None,
    index: bool,
    save: Path | None,
    as_json: bool,
    url: str | None,
) -> ExitCode:
    """Print what holds of each file, and what does not."""
    if authority is None:
        raise NotVerifiableError(target=str(target), reason="the certificate of the authority is needed (--authority)")
    try:
        lists = [path.read_bytes() for path in revoked]
        if index:
            with open_client(url) as client:
                fetched = client.get_revoked()
                lists += [fetched] if fetched else []
                results = check_all(target, _fetching(client, save), read_authority(authority.read_bytes(), lists))
        else:
            results = check_all(target, beside(folder), read_authority(authority.read_bytes(), lists))
    except (CheckError, OSError, UnicodeDecodeError) as error:
        raise NotVerifiableError(target=str(target), reason=str(error)) from error
    return _tell(results, offline=not lists, as_json=as_json)


def _tell(results: Sequence[Result], *, offline: bool, as_json: bool) -> ExitCode:
    if as_json:
        print_json(
            [
                {"file": one.name, "holds": one.holds, "facts": one.facts, "provenance": one.provenance}
                for one in results
            ]
        )
    else:
        for line in report(results):
            output().print(plain_line(line), soft_wrap=True, markup=False, highlight=False)
        if offline:
            note("no list of revoked certificates was given: a revoked certificate is not seen (--revoked)")
    return ExitCode.OK if all(one.holds for one in results) else ExitCode.BUILD_FAILED


def _fetching(client: WheelyardClient, save: Path | None) -> FindProvenance:
    """Return what fetches provenance objects, and saves them if a folder is named."""

    def find(wanted: Wanted) -> bytes | None:
        name = wanted.name if wanted.is_file else client.find_file(wanted.name.partition("==")[0], wanted.sha256)
        data = None if name is None else client.get_provenance(name)
        if save is not None and data is not None and name is not None:
            save.mkdir(parents=True, exist_ok=True)
            (save / f"{name}{SUFFIX}").write_bytes(data)
        return data

    return find
