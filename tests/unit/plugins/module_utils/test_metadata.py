"""The cloud's metadata service: absent, slow, lying, dripping, talking nonsense."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._metadata import fetch, read_metadata
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import write_tree

TAG = "7783-7084-3265-9085-8269-3286-77"


def machine(root: Path, **fields: str) -> str:
    return str(write_tree(root, {f"/sys/devices/virtual/dmi/id/{name}": value for name, value in fields.items()}))


def never(_address: str, _headers: Mapping[str, str], _timeout: float) -> bytes:
    raise AssertionError("the service must not be asked")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"sys_vendor": "Dell Inc."}, {}),
        ({"sys_vendor": "Amazon EC2", "product_name": "p5.48xlarge"}, {"cloud": "aws", "machine_type": "p5.48xlarge"}),
    ],
)
def test_where_nobody_needs_to_be_asked(tmp_path: Path, fields: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert read_metadata(machine(tmp_path, **fields), ask=never) == (expected, None)


@pytest.mark.parametrize(
    ("fields", "answer", "expected"),
    [
        (
            {"product_name": "Google Compute Engine"},
            b"projects/123/machineTypes/a3-megagpu-8g\n",
            ("gcp", "a3-megagpu-8g"),
        ),
        ({"chassis_asset_tag": TAG}, b"Standard_ND96isr_H100_v5", ("azure", "standard_nd96isr_h100_v5")),
        ({"chassis_asset_tag": "OracleCloud.com"}, b"BM.GPU.H100.8", ("oci", "bm.gpu.h100.8")),
    ],
)
def test_answers(tmp_path: Path, fields: Mapping[str, str], answer: bytes, expected: tuple[str, str]) -> None:
    asked = []

    def ask(address: str, headers: Mapping[str, str], timeout: float) -> bytes:
        asked.append((address, headers, timeout))
        return answer

    found, trouble = read_metadata(machine(tmp_path, **fields), timeout=1.5, ask=ask)
    assert (found, trouble) == ({"cloud": expected[0], "machine_type": expected[1]}, None)
    assert asked[0][0].startswith("http://169.254.169.254/")
    assert (len(asked), len(asked[0][1]), asked[0][2]) == (1, 1, 1.5)


@pytest.mark.parametrize("answer", [b"", b"<html>login</html>", b"\xff\xfe", b"x" * 4096, b"a b"])
def test_nonsense(tmp_path: Path, answer: bytes) -> None:
    root = machine(tmp_path, product_name="Google Compute Engine")
    found, trouble = read_metadata(root, ask=lambda *_args: answer)
    assert found == {"cloud": "gcp"}
    assert "nonsense" in (trouble or "")


def test_an_absent_service(tmp_path: Path) -> None:
    def ask(*_args: object) -> bytes:
        raise ConnectionRefusedError("refused")

    root = machine(tmp_path, product_name="Google Compute Engine")
    assert read_metadata(root, ask=ask) == ({"cloud": "gcp"}, "the metadata service did not answer: refused")


@pytest.fixture
def server() -> Iterator[tuple[str, socket.socket]]:
    """A listening socket on the loopback interface; the test plays the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", listener


def serve(listener: socket.socket, *pieces: bytes, pause: float = 0.0, hold: float = 0.0) -> None:
    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                time.sleep(hold)
            except OSError:
                return  # the client went away, as it should

    threading.Thread(target=run, daemon=True).start()


def test_fetch(server: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")  # must not be used for a link-local service
    serve(server[1], b"HTTP/1.0 200 OK\r\n\r\nn1-standard-4")
    assert fetch(server[0], {"Metadata-Flavor": "Google"}, 5) == b"n1-standard-4"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.0 404 Not Found\r\n\r\n",),
        (b"garbage\r\n\r\n",),
        (b"",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",),
    ],
)
def test_fetch_of_nonsense_is_an_os_error(server: tuple[str, socket.socket], pieces: tuple[bytes, ...]) -> None:
    serve(server[1], *pieces)
    with pytest.raises(OSError, match=r".+"):
        fetch(server[0], {}, 5)


@pytest.mark.parametrize(
    ("pieces", "pause", "hold"),
    [
        ((), 0.0, 4.0),
        (tuple(b"X-A: b\r\n" for _ in range(40)), 0.1, 0.0),
        ((b"HTTP/1.0 200 OK\r\n\r\n", *(b"x" for _ in range(40))), 0.1, 0.0),
    ],
)
def test_a_slow_service_is_not_waited_for(
    server: tuple[str, socket.socket], pieces: tuple[bytes, ...], pause: float, hold: float
) -> None:
    serve(
        server[1],
        *((b"HTTP/1.0 200 OK\r\n",) if pieces and pieces[0].startswith(b"X") else ()),
        *pieces,
        pause=pause,
        hold=hold,
    )
    started = time.monotonic()
    with pytest.raises(OSError, match=r"no answer within 0\.5 s|timed out"):
        fetch(server[0], {}, 0.5)
    assert time.monotonic() - started < 3
