"""The agent's end of the conversation: framing, plain names, and an end when the worker is gone."""

import io
import json
from pathlib import Path

import pytest

from wheelyard_agent.channel import WORKER_GONE, Channel, ProtocolError


def channel_on(received: bytes) -> tuple[Channel, io.BytesIO]:
    sink = io.BytesIO()
    return Channel(io.BytesIO(received), sink), sink


def frame(name: object, content: bytes) -> bytes:
    return json.dumps({"kind": "file", "name": name, "size": len(content)}).encode() + b"\n" + content


def test_header_is_one_line_of_json() -> None:
    channel, sink = channel_on(b"")
    channel.send("need", requirements=["a", "line\nbreak"])
    assert sink.getvalue().count(b"\n") == 1
    assert json.loads(sink.getvalue()) == {"kind": "need", "requirements": ["a", "line\nbreak"]}


def test_file_follows_its_header_byte_by_byte(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a.whl").write_bytes(content)
    channel, sink = channel_on(b"")
    channel.send_file(tmp_path / "a.whl")
    header, _, rest = sink.getvalue().partition(b"\n")
    assert json.loads(header) == {"kind": "file", "name": "a.whl", "size": len(content)}
    assert rest == content


def test_files_before_a_header_are_kept_in_the_inbox(tmp_path: Path) -> None:
    large = b"x\n" * (1 << 20)
    channel, _ = channel_on(frame("a.whl", large) + frame("empty", b"") + b'{"kind": "build", "sdist": "a"}\n{"kind"')
    assert channel.receive(tmp_path / "in") == {"kind": "build", "sdist": "a"}
    assert {file.name: file.read_bytes() for file in (tmp_path / "in").iterdir()} == {"a.whl": large, "empty": b""}


def test_header_without_a_kind_is_handed_on(tmp_path: Path) -> None:
    assert channel_on(b'{"files": []}\n')[0].receive(tmp_path) == {"files": []}


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/passwd", "../up", "below/file", "a\0b"])
def test_name_that_is_not_plain_is_refused_and_writes_nothing(tmp_path: Path, name: str) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    with pytest.raises(ProtocolError, match="not a plain file name"):
        channel_on(frame(name, b"x"))[0].receive(inbox)
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


@pytest.mark.parametrize("line", [b"[]\n", b'"text"\n', b"null\n", b"5\n"])
def test_header_that_is_no_object_is_refused(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(ProtocolError, match="not an object"):
        channel_on(line)[0].receive(tmp_path)


@pytest.mark.parametrize("received", [b"", b'{"kind": "build"}', frame("a.whl", b"whole")[:-1]])
def test_worker_that_is_gone_ends_the_agent(tmp_path: Path, received: bytes) -> None:
    with pytest.raises(SystemExit) as caught:
        channel_on(received)[0].receive(tmp_path)
    assert caught.value.code == WORKER_GONE
