# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Packs a program for the node into one executable file, the same bytes every time.

A zip archive with a ``#!`` line before it is a Python program (PEP 441). It holds those files of the collection's
module_utils that the program's entry imports, directly or not, as the package ``gpuforge_node``: the relative imports
between them hold in Ansible's payload and here alike.
"""

from __future__ import annotations

import ast
import fcntl
import io
import os
import stat
import zipfile
from typing import Dict, Iterator, List, Tuple

PACKAGE = "gpuforge_node"
ENTRY = "_node_cli"
SHEBANG = b"#!/usr/bin/env python3\n"
#: The first moment that a zip archive can name; no clock and no file's time goes into the program.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "import sys\n\nfrom {package}.{entry} import main\n\nsys.exit(main())\n"


class PackError(Exception):
    """A file that the program needs is missing or is not Python; the message names it."""


def default_source() -> str:
    """The folder module_utils of the collection that this file belongs to."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils")


def _imports(text: str, name: str) -> Iterator[Tuple[int, str, Tuple[str, ...]]]:
    """Each relative import in a file: number of dots, module after them, names taken from it."""
    try:
        module = ast.parse(text, name)
    except SyntaxError as exc:
        raise PackError(f"{name}: {exc.msg} (line {exc.lineno})") from exc
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


def collect(source: str, entry: str = ENTRY) -> Dict[str, str]:
    """``{path in the package: text}`` of the entry and of all it imports relatively, with the packages' own files.

    Raises PackError.
    """
    found: Dict[str, str] = {}
    todo = [f"{entry}.py"]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        try:
            with open(os.path.join(source, path), encoding="utf-8") as file:
                found[path] = file.read()
        except OSError as exc:
            raise PackError(f"{exc.filename}: {exc.strerror}") from exc
        folder = path.split("/")[:-1]
        if folder:
            todo.append("/".join([*folder, "__init__.py"]))
        for level, module, names in _imports(found[path], path):
            base = folder[: len(folder) - (level - 1)]
            target = [*base, *filter(None, module.split("."))]
            for candidate in ([*target, name] for name in names):
                todo.extend(_files_of(source, candidate))
            todo.extend(_files_of(source, target) or ([f"{'/'.join(target)}.py"] if module else []))
    return found


def _files_of(source: str, parts: List[str]) -> List[str]:
    """The file of a module or package, in a list; empty when it is neither (a name inside a module, the top)."""
    if not parts:
        return []
    stem = "/".join(parts)
    return [path for path in (f"{stem}.py", f"{stem}/__init__.py") if os.path.isfile(os.path.join(source, path))]


def pack(source: str = "", entry: str = ENTRY) -> bytes:
    """The whole program. Equal sources give equal bytes, whatever the clock, umask, file order or zlib version.

    ``source`` is a folder module_utils, by default this collection's; ``entry`` the file in it whose ``main`` is the
    program. Raises PackError.
    """
    files = {f"{PACKAGE}/{path}": text for path, text in collect(source or default_source(), entry).items()}
    files[f"{PACKAGE}/__init__.py"] = ""
    files["__main__.py"] = _MAIN.format(package=PACKAGE, entry=entry)
    out = io.BytesIO()
    out.write(SHEBANG)
    # Stored, not deflated: compressed bytes differ between zlib versions, and would make an image's layer differ.
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.create_system = 3  # Unix, also when packed elsewhere
            archive.writestr(info, files[name])
    return out.getvalue()


def pack_once(folder: str, entry: str = ENTRY) -> bytes:
    """As ``pack`` of this entry of the collection, read from ``folder`` where an earlier call left it there.

    For a run over many hosts: each has a process of its own, and packing takes longer than all else that is done for a
    host that has the program already. The folder must live no longer than the run: sources are not looked at again.
    """
    path = os.path.join(folder, f"gpuforge{entry}")
    with open(f"{path}.lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            program = pack(entry=entry)
            with open(f"{path}.new", "wb") as file:
                file.write(program)
            os.replace(f"{path}.new", path)
    with open(path, "rb") as file:
        return file.read()
