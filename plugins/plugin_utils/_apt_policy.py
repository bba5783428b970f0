# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What ``apt-cache policy`` says of packages, and which of them are wanting. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

#: A package's name as Debian Policy 5.6.1 has it. No architecture, version, pattern or file.
PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_PACKAGE = re.compile(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Known:
    """Versions of one package; None where there is none."""

    installed: Optional[str]
    candidate: Optional[str]


def command(names: Sequence[str]) -> List[str]:
    """The arguments that ask for these packages, in the language that ``parse`` reads."""
    return ["env", "LC_ALL=C", "apt-cache", "policy", *names]


def parse(text: str) -> Dict[str, Known]:
    """Each package that apt has heard of, by its name."""
    return {
        name: Known(*(None if version == "(none)" else version for version in versions))
        for name, *versions in _PACKAGE.findall(text)
    }


def to_install(known: Dict[str, Known], required: Sequence[str], optional: Sequence[str]) -> List[str]:
    """The required packages that are not installed, and the optional ones that are not and could be."""
    nothing = Known(None, None)
    wanting = [name for name in required if not known.get(name, nothing).installed]
    extra = [known.get(name, nothing) for name in optional]
    return wanting + [name for name, state in zip(optional, extra) if state.candidate and not state.installed]


def unknown(known: Dict[str, Known], names: Sequence[str]) -> List[str]:
    """Those that are neither installed nor to be had."""
    return [name for name in names if name not in known or known[name] == Known(None, None)]
