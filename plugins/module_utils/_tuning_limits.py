"""Resource limits: for logins (pam_limits) and for services (systemd's DefaultLimit*)."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Sequence

from ._tuning_keys import near
from ._tuning_model import Limit, Problem, Setting

#: Items of man 5 limits.conf.
ITEMS = (
    "core",
    "data",
    "fsize",
    "memlock",
    "nofile",
    "rss",
    "stack",
    "cpu",
    "nproc",
    "as",
    "maxlogins",
    "maxsyslogins",
) + ("nonewprivs", "priority", "locks", "sigpending", "msgqueue", "nice", "rtprio")
UNLIMITED = ("unlimited", "infinity", "-1")
#: Names behind DefaultLimit* of man 5 systemd-system.conf.
SYSTEMD = (
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NOFILE",
    "AS",
    "NPROC",
    "MEMLOCK",
    "LOCKS",
    "SIGPENDING",
) + ("MSGQUEUE", "NICE", "RTPRIO", "RTTIME")
#: The kernel's default of fs.nr_open (fs/file.c); a nofile limit above it makes pam refuse every login.
NR_OPEN = 1048576


def check_limits(limits: Sequence[Limit], sysctl: Mapping[str, Setting], problems: List[Problem]) -> None:
    """Add what is wrong with the login limits."""
    for limit in limits:
        where = "limits.%s.%s" % (limit.domain, limit.item)
        if not re.match(r"^[^\s#]+$", limit.domain):
            problems.append(Problem(where, "%r is no domain" % limit.domain))
        if limit.type not in ("soft", "hard", "-"):
            problems.append(Problem(where, "type %r is none of soft, hard, -" % limit.type))
        if limit.item not in ITEMS:
            close = near(limit.item, ITEMS, 0.6)
            hint = "did you mean %s?" % close if close else "man 5 limits.conf"
            problems.append(Problem(where, "no such limit", hint))
            continue
        why = _check_value(limit, sysctl)
        if why:
            problems.append(Problem(where, why))
    _check_order(limits, problems)


def _check_value(limit: Limit, sysctl: Mapping[str, Setting]) -> str:
    low = -20 if limit.item in ("nice", "priority") else 0
    if limit.value in UNLIMITED and limit.item != "nice":
        return "nofile has no unlimited: fs.nr_open bounds it" if limit.item == "nofile" else ""
    if not re.match(r"^-?\d+$", limit.value):
        return "%r is neither a number nor unlimited" % limit.value
    number = int(limit.value)
    if number < low or (low < 0 and number > 19):
        return "%d is out of range" % number
    if limit.item == "nofile":
        wanted = sysctl.get("fs.nr_open")
        most = int(str(wanted.value)) if wanted is not None and str(wanted.value).isdecimal() else NR_OPEN
        if number > most:
            return "%d is above fs.nr_open (%d): every login would be refused" % (number, most)
    return ""


def _check_order(limits: Sequence[Limit], problems: List[Problem]) -> None:
    values: Dict[str, Dict[str, str]] = {}
    for limit in limits:
        values.setdefault("%s.%s" % (limit.domain, limit.item), {})[limit.type] = limit.value
    for name, kinds in sorted(values.items()):
        soft, hard = kinds.get("soft"), kinds.get("hard")
        if soft is None or hard is None or hard in UNLIMITED:
            continue
        if soft in UNLIMITED or (soft.isdecimal() and hard.isdecimal() and int(soft) > int(hard)):
            problems.append(Problem("limits." + name, "the soft limit is above the hard limit"))


def check_systemd_limits(limits: Mapping[str, Setting], problems: List[Problem]) -> None:
    """Add what is wrong with systemd's default limits (``memlock: infinity``, ``nofile: 1024:1048576``)."""
    for name, setting in sorted(limits.items()):
        where = "systemd_limits." + name
        if name.upper() not in SYSTEMD:
            close = near(name.upper(), SYSTEMD, 0.6).lower()
            hint = "did you mean %s?" % close if close else "man 5 systemd-system.conf"
            problems.append(Problem(where, "no such limit", hint))
        elif setting.derived or not re.match(r"^(infinity|\d+[KMGT]?)(:(infinity|\d+[KMGT]?))?$", str(setting.value)):
            problems.append(Problem(where, "%r is no limit such as infinity or 1024:1048576" % (setting.value,)))


def limits_lines(limits: Sequence[Limit]) -> List[str]:
    """Lines of the limits.d file; ``*`` doesn't hold for root in pam_limits, so root gets the same line."""
    lines: List[str] = []
    for limit in limits:
        domains = [limit.domain]
        if limit.domain == "*" and not any((other.domain, other.item) == ("root", limit.item) for other in limits):
            domains.append("root")
        lines += ["%s %s %s %s" % (domain, limit.type, limit.item, limit.value) for domain in domains]
    return lines
