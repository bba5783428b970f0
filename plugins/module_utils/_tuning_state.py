"""What gpuforge remembers of a tuned machine: ``/etc/gpuforge/kernel-tuning.json``.

It names every value in force with its file, the values from before, and the request itself, so that a check, an undo
and the boot unit need nothing else. It holds no time and no host name: the same set makes the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from ._machine import Host
from ._tuning_model import Knob, Limit, Request, Setting, TuningError

STATE = "/etc/gpuforge/kernel-tuning.json"
#: Values worked out at this boot (machine-dependent ones of an image, and interrupts); gone with the boot.
BOOT_STATE = "/run/gpuforge/kernel-tuning.json"
VERSION = 1

_KEYED = ("sysctl", "thp", "governor", "read_ahead", "systemd_limits")


@dataclass
class State:
    """The remembered state. ``knobs``: name → path, value, style. ``refused``/``pending``: what the last run met."""

    sysctl: Dict[str, str] = field(default_factory=dict)
    thp: Dict[str, str] = field(default_factory=dict)
    hugepages: Dict[str, str] = field(default_factory=dict)
    governor: str = ""
    limits: List[Dict[str, str]] = field(default_factory=list)
    files: Dict[str, str] = field(default_factory=dict)
    links: Dict[str, str] = field(default_factory=dict)
    folders: List[str] = field(default_factory=list)
    unsupported: Dict[str, str] = field(default_factory=dict)
    left: Dict[str, str] = field(default_factory=dict)
    knobs: Dict[str, Dict[str, str]] = field(default_factory=dict)
    before: Dict[str, str] = field(default_factory=dict)
    replaced: Dict[str, str] = field(default_factory=dict)
    refused: Dict[str, str] = field(default_factory=dict)
    pending: Dict[str, str] = field(default_factory=dict)
    deferred: List[str] = field(default_factory=list)
    request: Dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The file's text."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    def knob_list(self) -> List[Knob]:
        """The values in force as knobs."""
        return [
            Knob(name, entry["path"], entry["value"], entry.get("style", "plain"))
            for name, entry in sorted(self.knobs.items())
        ]


def load_state(host: Host, path: str = STATE) -> Optional[State]:
    """The remembered state, None when there is none. Raises TuningError when the file can't be understood."""
    text = host.read(path)
    if text is None:
        return None
    try:
        raw = json.loads(text)
        if raw["version"] != VERSION:
            raise TuningError("%s has version %r, not %d; remove it to start anew" % (path, raw["version"], VERSION))
        del raw["version"]
        return State(**raw)
    except (ValueError, KeyError, TypeError) as exc:
        why = "%s is damaged (%s); remove it, then run again: values from before are lost" % (path, exc)
        raise TuningError(why) from exc


def knob_entry(knob: Knob) -> Dict[str, str]:
    """A knob as the state file holds it."""
    return {"path": knob.path, "value": knob.wanted, "style": knob.style}


def request_to_json(request: Request) -> Dict[str, Any]:
    """The request as plain data, without reasons and sources (those stand in the files)."""
    raw: Dict[str, Any] = json.loads(json.dumps(asdict(request)))
    for section in _KEYED:
        raw[section] = {name: setting["value"] for name, setting in raw[section].items()}
    return raw


def request_from_json(raw: Mapping[str, Any]) -> Request:
    """The reverse of request_to_json."""
    if not raw:
        return Request()
    pages = dict(raw["hugepages"])
    if pages.get("nodes"):
        pages["nodes"] = {int(node): share for node, share in pages["nodes"].items()}
    return Request(
        hugepages=pages,
        irq_affinity=tuple(raw["irq_affinity"]),
        limits=tuple(Limit(**limit) for limit in raw["limits"]),
        swap=raw["swap"],
        modules=tuple(raw["modules"]),
        required=tuple(raw["required"]),
        **{name: {key: Setting(value) for key, value in raw[name].items()} for name in _KEYED},
    )
