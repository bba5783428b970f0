"""Which components a system has, and the one file that adds those it lacks."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._apt_sources import (
    Source,
    Want,
    index_name,
    missing,
    parse_deb822,
    parse_list,
    render,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ALL = ("main", "contrib", "non-free", "non-free-firmware")


def test_one_line_sources():
    text = """\
# deb http://old.example/debian bookworm main
deb http://deb.example/debian/ bookworm main contrib  # a remark
deb-src http://deb.example/debian bookworm main
deb [signed-by=/k.gpg arch=amd64,i386 lang=en] http://deb.example/debian bookworm-updates main
deb [trusted=yes] file:/srv/repo ./
deb broken
"""
    assert parse_list(text) == [
        Source("http://deb.example/debian", "bookworm", ("main", "contrib")),
        Source(
            "http://deb.example/debian",
            "bookworm-updates",
            ("main",),
            {"Signed-By": "/k.gpg", "Architectures": "amd64 i386"},
        ),
        Source("file:/srv/repo", "./", (), {"Trusted": "yes"}),
    ]


def test_deb822_sources():
    text = """\
# the first
Types: deb deb-src
URIs: http://a.example/debian http://b.example/debian/
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: contrib

Types: deb-src
URIs: http://a.example/debian
Suites: trixie
Components: contrib
"""
    found = parse_deb822(text)
    assert [(source.uri, source.suite) for source in found] == [
        ("http://a.example/debian", "trixie"),
        ("http://a.example/debian", "trixie-updates"),
        ("http://b.example/debian", "trixie"),
        ("http://b.example/debian", "trixie-updates"),
    ]
    assert found[0].options["Signed-By"].splitlines()[1:] == [" -----BEGIN PGP PUBLIC KEY BLOCK-----", " .", " abc"]


def test_nothing_is_missing_where_two_files_have_it_together():
    have = [
        Source("http://m/debian", "bookworm", ("main", "non-free-firmware")),
        Source("http://m/debian", "bookworm", ("contrib", "non-free")),
    ]
    assert missing(have, [Want("bookworm", ALL, "http://x/debian")], KEYRING) == []


@pytest.mark.parametrize("options", [{}, {"Signed-By": "/own.gpg", "Trusted": "yes"}])
def test_a_known_suite_is_completed_at_its_own_address_with_its_own_key(options):
    have = [Source("http://mirror.lan/debian", "bookworm", ("main",), options)]
    assert missing(have, [Want("bookworm", ALL, "http://x/debian")], KEYRING) == [
        Source("http://mirror.lan/debian", "bookworm", ALL[1:], options)
    ]


def test_an_unknown_suite_follows_the_mirror_of_its_archive():
    have = [Source("http://mirror.lan/debian", "trixie", ALL)]
    want = Want("trixie-backports", ALL, "http://x/debian", like=("trixie",))
    assert missing(have, [want], KEYRING) == [
        Source("http://mirror.lan/debian", "trixie-backports", ALL, {"Signed-By": KEYRING})
    ]


def test_without_any_source_to_follow_the_given_address_is_used():
    assert missing([], [Want("trixie", ALL, "http://x/debian")], KEYRING) == [
        Source("http://x/debian", "trixie", ALL, {"Signed-By": KEYRING})
    ]


def test_an_optional_suite_is_completed_but_not_added():
    want = Want("trixie-security", ALL, optional=True)
    assert missing([], [want], KEYRING) == []
    assert len(missing([Source("http://s", "trixie-security", ("main",))], [want], KEYRING)) == 1


def test_rendered_text_reads_back():
    sources = [
        Source("http://m/debian", "trixie", ("contrib",), {"Signed-By": "\n -----BEGIN\n .\n abc"}),
        Source("http://m/debian", "trixie-backports", ALL, {"Signed-By": KEYRING, "Trusted": "yes"}),
    ]
    text = render(sources, "two\nlines")
    assert text.startswith("# two\n# lines\nTypes: deb\n")
    assert parse_deb822(text) == sources
    assert render([], "x") == ""


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("http://deb.debian.org/debian", "deb.debian.org_debian_dists_trixie_"),
        ("file:/srv/mirror", "_srv_mirror_dists_trixie_"),
        ("https://user:secret@mirror.lan:8080/a_b", "mirror.lan:8080_a%5fb_dists_trixie_"),
    ],
)
def test_index_name(uri, wanted):
    assert index_name(Source(uri, "trixie", ("main",))) == wanted
