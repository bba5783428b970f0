"""What uv is told of pip's settings, and how a damaged .venv is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from setup_steps.environment import COLLECTION_LINK, damage, installer_settings, link_collection


class TestInstallerSettings:
    def test_nothing_configured_nothing_said(self) -> None:
        assert installer_settings("", {}) == {}

    def test_another_index(self) -> None:
        config = "global.index-url='https://mirror.example/simple'\n:env:.cert='/etc/ssl/ca.crt'\n:env:.timeout='90'\n"
        assert installer_settings(config, {}) == {
            "UV_DEFAULT_INDEX": "https://mirror.example/simple",
            "SSL_CERT_FILE": "/etc/ssl/ca.crt",
            "UV_HTTP_TIMEOUT": "90",
        }

    def test_further_indexes_only_beside_another_first_one(self) -> None:
        extra = "global.extra-index-url='file:///a/simple\\nfile:///b/simple'\nglobal.find-links='/wheels'\n"
        assert installer_settings(extra, {}) == {}
        found = installer_settings("global.index-url=https://m.example\nglobal.extra-index-url='https://n.example'", {})
        assert found["UV_INDEX"] == "https://n.example"
        assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"

    def test_no_index_at_all(self) -> None:
        found = installer_settings(":env:.no-index='1'\nglobal.find-links='/a /b'\n", {})
        assert found == {"UV_NO_INDEX": "1", "UV_FIND_LINKS": "/a,/b"}

    def test_what_is_said_to_uv_itself_stands(self) -> None:
        config = "global.index-url='https://mirror.example/simple'\n"
        assert installer_settings(config, {"UV_DEFAULT_INDEX": "https://own.example"}) == {}

    def test_a_proxy(self) -> None:
        assert installer_settings("user.proxy='http://p.example:3128'", {}) == {"ALL_PROXY": "http://p.example:3128"}


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, Path]:
    """A checkout with a .venv that is as it should be: (checkout, .venv)."""
    repo = tmp_path / "my checkout äö"
    venv = repo / ".venv"
    site = venv / "lib" / "python3.11" / "site-packages"
    (site / "thing-1.dist-info").mkdir(parents=True)
    (site / "thing.py").write_text("x = 1\n")
    (site / "thing-1.dist-info" / "RECORD").write_text(
        "thing.py,sha256=abc,6\n../../../bin/thing,,\nthing-1.dist-info/RECORD,,\n"
    )
    (venv / "bin").mkdir()
    for name in ("python", "gpuforge"):
        (venv / "bin" / name).write_text("#!/bin/sh\n")
        (venv / "bin" / name).chmod(0o755)
    link_collection(venv)
    return repo, venv


class TestDamage:
    def test_none(self, whole: tuple[Path, Path]) -> None:
        assert damage(*whole) == ""

    def test_no_venv(self, tmp_path: Path) -> None:
        assert damage(tmp_path, tmp_path / ".venv") == "its Python is gone"

    def test_a_file_is_missing(self, whole: tuple[Path, Path]) -> None:
        (whole[1] / "lib/python3.11/site-packages/thing.py").unlink()
        assert damage(*whole) == "thing.py of thing-1 is missing or cut short"

    def test_a_file_was_cut_short(self, whole: tuple[Path, Path]) -> None:
        (whole[1] / "lib/python3.11/site-packages/thing.py").write_text("x")
        assert "cut short" in damage(*whole)

    def test_the_command_is_gone(self, whole: tuple[Path, Path]) -> None:
        (whole[1] / "bin" / "gpuforge").unlink()
        assert damage(*whole) == "the command gpuforge is missing"

    def test_the_link_points_elsewhere(self, whole: tuple[Path, Path]) -> None:
        link = whole[1] / COLLECTION_LINK
        link.unlink()
        link.symlink_to("/nonexistent")
        assert damage(*whole) == "the link to the collection is missing"
        link_collection(whole[1])
        assert damage(*whole) == ""

    def test_the_link_moves_with_the_checkout(self, whole: tuple[Path, Path]) -> None:
        moved = whole[0].rename(whole[0].with_name("elsewhere"))
        assert damage(moved, moved / ".venv") == ""
