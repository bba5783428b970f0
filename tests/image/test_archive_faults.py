"""Archives that cannot be reached, lie, or have moved on: apt's own checks, by real apt over real HTTP on loopback."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gpuforge.providers.local import base_tree
from gpuforge.spec import Base
from tests.image.small_collection import write_file
from tests.image.workshop import Workshop

MakeWorkshop = Callable[..., Workshop]
Answer = Callable[[str], bytes | None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Serve what a function answers to a path (None: 404) on a loopback port; returns the address."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = answer(posixpath.normpath(self.path))
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body or b"")

            do_HEAD = do_GET

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _package(folder: Path) -> bytes:
    """A small package, made by dpkg."""
    control = folder / "root/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: gpuforge-probe\nVersion: 1.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\n"
        "Description: probe\n"
    )
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", folder / "root", folder / "probe.deb"], check=True)
    return (folder / "probe.deb").read_bytes()


def _archive(deb: bytes, listed: bytes) -> dict[str, bytes]:
    """A flat archive that lists the package with the hash of *listed* and serves *deb*."""
    entry = (
        "Package: gpuforge-probe\nVersion: 1.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\n"
        f"Filename: ./probe.deb\nSize: {len(deb)}\nSHA256: {hashlib.sha256(listed).hexdigest()}\nDescription: probe\n"
    ).encode()
    return {"/Packages": entry, "/Packages.gz": gzip.compress(entry, mtime=0), "/probe.deb": deb}


def _install_from(url: str) -> str:
    return (
        write_file("/etc/apt/sources.list.d/probe.list", f"deb [trusted=yes] {url}/ ./")
        + "- name: Ensure the probe is installed\n"
        "  ansible.builtin.apt: {name: gpuforge-probe, update_cache: true, update_cache_retries: 1}\n"
    )


def test_a_package_whose_hash_does_not_match(
    workshop: MakeWorkshop, serve: Callable[[Answer], str], tmp_path: Path
) -> None:
    deb = _package(tmp_path)
    files = _archive(deb, listed=deb + b"other")
    shop = workshop({"whole": write_file("/etc/whole", "1"), "probe": _install_from(serve(files.get))})
    done = shop.bake()
    assert done.returncode == 4, done.stderr
    assert "Hash Sum mismatch" in done.stderr or "hash" in done.stderr.lower()
    assert shop.leftovers() == []
    assert shop.plan()["probe"] == "bake"
    assert shop.plan()["whole"] == "cached"


def test_the_right_hash_installs(workshop: MakeWorkshop, serve: Callable[[Answer], str], tmp_path: Path) -> None:
    deb = _package(tmp_path)
    shop = workshop({"probe": _install_from(serve(_archive(deb, listed=deb).get))})
    assert "probe" in shop.result()["baked"]


def test_a_package_that_has_left_the_archive_renews_the_base_and_says_so(
    workshop: MakeWorkshop, serve: Callable[[Answer], str], tmp_path: Path
) -> None:
    deb = _package(tmp_path)
    files = _archive(deb, listed=deb)
    del files["/probe.deb"]
    shop = workshop({"probe": _install_from(serve(files.get))})
    done = shop.bake()
    assert done.returncode == 4
    assert "has left the archive: the package index is renewed" in done.stderr
    assert "changed  base" in done.stderr


def test_an_archive_that_is_not_there_is_refused_before_anything_is_made(workshop: MakeWorkshop) -> None:
    spec = "name: small\nbase: {mirror: 'http://127.0.0.1:9/debian', security_mirror: 'http://127.0.0.1:9/security'}\n"
    shop = workshop({"whole": "[]\n"}, spec=spec)
    done = shop.bake()
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("cannot be reached") == 4
    assert "base.mirror" in done.stderr
    assert shop.leftovers() == []


def test_a_mirror_that_changes_a_package_of_the_base(
    workshop: MakeWorkshop, serve: Callable[[Answer], str], shared_work: Path
) -> None:
    wanted = base_tree.recipe(Base())
    origins = {"/debian/": wanted.sources[0].split()[2], "/security/": wanted.sources[-1].split()[2]}

    def answer(path: str) -> bytes | None:
        prefix = next(prefix for prefix in origins if path.startswith(prefix))
        try:
            with urllib.request.urlopen(
                f"{origins[prefix].rstrip('/')}/{path.removeprefix(prefix)}", timeout=60
            ) as reply:
                body: bytes = reply.read()
        except OSError:
            return None
        return body[:-1] + bytes([body[-1] ^ 1]) if "/base-files_" in path else body

    url = serve(answer)
    spec = f"name: small\nbase: {{mirror: '{url}/debian', security_mirror: '{url}/security'}}\n"
    shop = workshop({"whole": "[]\n"}, spec=spec)
    done = shop.bake()
    assert done.returncode == 4, done.stderr
    assert "Hash Sum mismatch" in done.stderr, done.stderr
    assert len(list((shop.work / "bases").iterdir())) == len(list((shared_work / "bases").iterdir()))
    assert shop.leftovers() == []
