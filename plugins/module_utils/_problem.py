# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""One named thing that is wrong or could not be read: the same shape in every reading module."""

from __future__ import annotations

from typing import Any, Dict

Facts = Dict[str, Any]  # what a reading core returns: JSON types only, keys as in the modules' RETURN


def problem(name: str, message: str, subject: str = "") -> Dict[str, str]:
    """Return one problem.

    :param name: stable identifier for machines, lower case with dashes (``gpu-lost``).
    :param message: what was found, for people; one line.
    :param subject: the PCI address, path or device it is about; empty for the whole machine.
    """
    return {"id": name, "subject": subject, "message": " ".join(message.split())}
