# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The machine type from the cloud's metadata service: asked only where DMI names the cloud, and never waited for long.

Addresses and headers: Google Compute Engine "About VM metadata"; Azure "Instance Metadata Service"; Oracle "Getting
Instance Metadata". AWS is not asked: its machine type stands in DMI.
"""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ._host import read_host
from ._sysfs import Tree

Fetch = Callable[[str, Mapping[str, str], float], bytes]  # address, headers, seconds -> body; raises OSError

_LINK_LOCAL = "http://169.254.169.254"
_SERVICES: Dict[str, Tuple[str, Mapping[str, str]]] = {
    "gcp": (_LINK_LOCAL + "/computeMetadata/v1/instance/machine-type", {"Metadata-Flavor": "Google"}),
    "azure": (
        _LINK_LOCAL + "/metadata/instance/compute/vmSize?api-version=2021-02-01&format=text",
        {"Metadata": "true"},
    ),
    "oci": (_LINK_LOCAL + "/opc/v2/instance/shape", {"Authorization": "Bearer Oracle"}),
}
_MOST_BYTES = 4096


def fetch(address: str, headers: Mapping[str, str], timeout: float) -> bytes:
    """Return what a metadata service answers, at most 4 KiB, within *timeout* seconds all in all.

    :raises OSError: it cannot be reached, refuses, talks nonsense, or is slower than that.
    """
    answer: List[bytes] = []
    trouble: List[str] = []

    def ask() -> None:
        import http.client  # both are dear to import (30 ms, 5 MB), and most runs do not need them
        import urllib.request

        request = urllib.request.Request(address, headers=dict(headers))
        # A proxy must not be asked for a link-local address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as response:
                body = response.read(_MOST_BYTES)
                if len(body) < min(int(response.headers.get("Content-Length") or 0), _MOST_BYTES):
                    raise OSError("the answer ends early")
                answer.append(body)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            trouble.append(str(exc) or type(exc).__name__)

    # A socket's time limit is per read: a server that drips bytes would pass it for ever.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    if trouble:
        raise OSError(trouble[0])
    if not answer:
        raise TimeoutError(f"no answer within {timeout:g} s")
    return answer[0]


def read_metadata(root: str = "/", timeout: float = 2.0, ask: Fetch = fetch) -> Tuple[Dict[str, str], Optional[str]]:
    """Return ``cloud`` and ``machine_type`` as far as they can be known, and why the service gave none (or None).

    The answer goes to ``read_fabric(metadata=...)``, which does not believe it against the hardware.

    :param root: directory that stands for ``/``; its DMI names the cloud.
    :param timeout: seconds to wait for the service.
    :param ask: how to ask; tests give their own.
    """
    host = read_host(Tree(root))
    found = {name: value for name, value in (("cloud", host.cloud), ("machine_type", host.machine_type)) if value}
    service = _SERVICES.get(host.cloud or "")
    if service is None:
        return found, None
    try:
        body = ask(service[0], service[1], timeout)
    except OSError as exc:
        return found, f"the metadata service did not answer: {exc}"
    said = body.decode("utf-8", "replace").strip()
    checked = read_host(Tree(root), {"machine_type": said})
    if checked.machine_type is None:
        return found, f"the metadata service answered nonsense: {said[:60]!r}"
    return dict(found, machine_type=checked.machine_type), None
