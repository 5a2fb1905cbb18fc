"""Programs that a wheel has installers make: those that would lie elsewhere, or over Python, are refused by name."""

import pytest

from wheelyard.wheel_files.record import check_scripts


def refusal_of(script: str) -> str:
    with pytest.raises(ValueError, match=r"entry point|file") as caught:
        check_scripts((), f"[console_scripts]\n{script} = demo:main\n".encode())
    return str(caught.value)


@pytest.mark.parametrize("script", ["/usr/bin/evil", "../evil", "a/b", "..\\evil", ".", "..", "", "a\x1b[2J"])
def test_entry_point_that_is_no_plain_file_name_is_refused(script: str) -> None:
    assert "is no plain file name" in refusal_of(script)


@pytest.mark.parametrize("script", ["python", "Python", "python3", "python3.13", "python3.13t", "pythonw.exe"])
def test_program_in_the_place_of_python_is_refused(script: str) -> None:
    reason = "would take the place of the Python that it is installed for"
    assert reason in refusal_of(script)
    for folder in ("scripts", "data/bin", "data/Scripts", "data"):
        with pytest.raises(ValueError, match=reason):
            check_scripts((f"demo-1.0.data/{folder}/{script}",), b"")


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts] ; of demo\npython3 = demo:main\n",
        "[console_scripts]x\npython3 = demo:main\n",
        "[console_scripts]\npython3 : demo:main\n",
        "[console_scripts]\npython3 # x = demo:main\n",
        "[gui_scripts]\x0c\npython3\x0b= demo:main\n",
    ],
)
def test_program_is_seen_however_loosely_an_installer_reads(text: str) -> None:
    with pytest.raises(ValueError, match="would take the place of the Python"):
        check_scripts((), text.encode())


@pytest.mark.parametrize("script", ["demo", "demo.py", "demo-3.13", "pythonize", "ipython3", "python-demo", "run demo"])
def test_other_programs_are_accepted(script: str) -> None:
    check_scripts((f"demo-1.0.data/scripts/{script}",), f"[console_scripts]\n{script}=demo:main\n".encode())


def test_what_is_no_program_is_not_judged() -> None:
    entry_points = (
        b"; of demo\n[pytest11]\npython = demo\n[demo.types]\ntext/plain = demo\n[console_scripts]\n# python =\n"
    )
    check_scripts(("demo/python", "demo/x.data/scripts/python", "demo-1.0.data/data/share/python"), entry_points)
