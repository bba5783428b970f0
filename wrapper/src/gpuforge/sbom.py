# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The bill of materials of an image, CycloneDX 1.6 in JSON.

Identical input gives identical bytes: serial number and time come from the image, not from the moment.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from gpuforge import __version__
from gpuforge.manifest import to_text
from gpuforge.packages import DebPackage, PythonPackage

_NAMESPACE: Final = uuid.UUID("3a3f4b0e-6f0b-5c59-9d5a-2b8a9f1c7d42")  # of serial numbers made here; random once


def make_sbom(
    *,
    name: str,
    digest: str,
    distribution: str,
    release: str,
    dpkg: Sequence[DebPackage],
    python: Sequence[PythonPackage],
    epoch: int,
) -> str:
    """The bill of materials as text.

    Args:
        name: of the image.
        digest: of the image; the serial number is derived from it.
        distribution: ``debian`` or ``ubuntu``, the namespace in package URLs (purl-spec, type deb).
        release: its version, for the qualifier ``distro`` as scanners read it: ``12`` gives ``debian-12``.
        dpkg: Debian packages in it.
        python: Python distributions in it.
        epoch: the time, in UNIX seconds.
    """
    image = Component(type=ComponentType.OPERATING_SYSTEM, name=name, version=digest, bom_ref=f"image:{name}")
    maker = Component(type=ComponentType.APPLICATION, name="gpuforge", version=__version__, bom_ref="tool:gpuforge")
    parts = [
        *(_deb(package, distribution, release) for package in dpkg),
        *(_python(package) for package in python),
    ]
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, f"{name} {digest}"),
        metadata=BomMetaData(component=image, timestamp=datetime.fromtimestamp(epoch, UTC)),
        components=parts,
    )
    bom.metadata.tools.components.add(maker)
    bom.register_dependency(image, parts)
    return to_text(json.loads(JsonV1Dot6(bom).output_as_string()))


def _deb(package: DebPackage, distribution: str, release: str) -> Component:
    qualifiers = {"arch": package.architecture, "distro": f"{distribution}-{release}"}
    if (package.source, package.source_version) != (package.name, package.version):
        qualifiers["upstream"] = f"{package.source}@{package.source_version}"
    purl = PackageURL("deb", distribution, package.name, package.version, qualifiers)
    reference = f"deb:{package.name}:{package.architecture}@{package.version}"
    return Component(
        type=ComponentType.LIBRARY, name=package.name, version=package.version, purl=purl, bom_ref=reference
    )


def _python(package: PythonPackage) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        purl=PackageURL("pypi", None, package.name, package.version),
        bom_ref=f"pypi:{package.environment}:{package.name}@{package.version}",
        # The same distribution in two environments is two components: the path tells them apart.
        properties=[Property(name="gpuforge:environment", value=package.environment)],
    )
