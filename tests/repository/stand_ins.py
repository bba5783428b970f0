"""What stands in for drivers and daemons: a kernel module of a few lines, and a program that waits."""

from __future__ import annotations

KERNEL_MODULE = """\
#include <linux/module.h>
static int NVreg_RestrictProfilingToAdminUsers = 1;
module_param(NVreg_RestrictProfilingToAdminUsers, int, 0444);
static char *NVreg_RegistryDwords;
module_param(NVreg_RegistryDwords, charp, 0444);
MODULE_LICENSE("{license}");
MODULE_VERSION("{version}");
"""
DKMS_CONF = """\
PACKAGE_NAME="nvidia"
PACKAGE_VERSION="{version}"
MAKE[0]="make -C ${{kernel_source_dir}} M=${{dkms_tree}}/nvidia/{version}/build modules"
CLEAN="true"
BUILT_MODULE_NAME[0]="nvidia"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL=yes
"""
DKMS_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    /usr/lib/dkms/common.postinst nvidia {version} /usr/share/nvidia "" "$2"
fi
"""
DKMS_PRERM = """\
#!/bin/sh
set -e
dkms remove -m nvidia -v {version} --all
"""
UNIT = """\
[Unit]
Description={unit} (stand-in for tests)
[Service]
ExecStart={program}
[Install]
WantedBy=multi-user.target
"""
SERVICE_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
"""
ENABLING_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    deb-systemd-helper enable {unit}.service
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        deb-systemd-invoke start {unit}.service
    fi
fi
"""
SERVICE_PRERM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ] && [ "$1" = remove ]; then
    deb-systemd-invoke stop {unit}.service
fi
"""
SERVICE_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    deb-systemd-helper purge {unit}.service
    deb-systemd-helper unmask {unit}.service
fi
"""


def module_files(version: str, licence: str) -> dict[str, str]:
    """Return the sources of a module that DKMS compiles in seconds; the licence tells the flavour."""
    folder = f"usr/src/nvidia-{version}"
    return {
        f"{folder}/nvidia.c": KERNEL_MODULE.format(version=version, license=licence),
        f"{folder}/Makefile": "obj-m := nvidia.o\n",
        f"{folder}/dkms.conf": DKMS_CONF.format(version=version),
    }


def module_scripts(version: str) -> dict[str, str]:
    """Return the maintainer scripts of a module's package."""
    return {"postinst": DKMS_POSTINST.format(version=version), "prerm": DKMS_PRERM.format(version=version)}


def service_files(unit: str, program: str) -> dict[str, str]:
    """Return a program that waits, and its unit."""
    return {
        program.lstrip("/"): "#!/bin/sh\nexec sleep infinity\n",
        f"usr/lib/systemd/system/{unit}.service": UNIT.format(unit=unit, program=program),
    }


def service_scripts(unit: str, enable: bool) -> dict[str, str]:
    """Return the maintainer scripts of a daemon's package; most of NVIDIA's are left for the operator to enable."""
    postinst = ENABLING_POSTINST if enable else SERVICE_POSTINST
    texts = {"postinst": postinst, "prerm": SERVICE_PRERM, "postrm": SERVICE_POSTRM}
    return {script: text.format(unit=unit) for script, text in texts.items()}
