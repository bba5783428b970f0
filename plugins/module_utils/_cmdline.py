"""Kernel parameters as an owned drop-in for grub: parsing, judging, and the text of the file. Nothing is read here.

``/etc/default/grub`` is never edited: a file in ``/etc/default/grub.d`` is read after it, and removing that file is
the whole undo.
"""

from __future__ import annotations

import re
from typing import Dict, List, Sequence

DROP_IN = "/etc/default/grub.d/60-gpuforge-cmdline.cfg"
HEADER = "# Written by gpuforge (gpuforge.node.kernel_cmdline). Edits here are undone by its next run.\n"

#: Parameters about what a hypervisor already decides: without effect in a guest, or it can't reach its devices.
#: Source: troubleshooting guide of NCCL; Documentation/admin-guide/kernel-parameters.txt.
BARE_METAL_ONLY = ("iommu", "intel_iommu", "amd_iommu", "iommu.passthrough", "iommu.strict", "pcie_acs_override") + (
    "intel_idle.max_cstate",
    "processor.max_cstate",
    "intel_pstate",
    "amd_pstate",
)
#: Values of ``pci=`` that do the same.
BARE_METAL_PCI = ("disable_acs_redir", "config_acs")

_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")
#: What grub and the shell pass through untouched inside double quotes; ``$``, backslash and quotes are not among it.
_VALUE = re.compile(r"^[A-Za-z0-9_.,:;=+/@%*?!&|<>()\[\]{}~^# -]*$")
_PLAIN = re.compile(r"^[A-Za-z0-9_.,:=+/@%-]*$")


#: Takes words out of one variable. Words between double quotes belong together, as they do for the kernel.
_FILTER = """\
set -f; gpuforge_kept=; gpuforge_open=
for gpuforge_word in ${variable}; do
  gpuforge_word="${{gpuforge_open:+$gpuforge_open }}$gpuforge_word"
  case "$gpuforge_word" in *\\"*\\"*) ;; *\\"*) gpuforge_open="$gpuforge_word"; continue ;; esac
  gpuforge_open=
  case "$gpuforge_word" in {patterns}) ;; *) gpuforge_kept="$gpuforge_kept $gpuforge_word" ;; esac
done
{variable}="${{gpuforge_kept# }}${{gpuforge_open:+ $gpuforge_open}}"
set +f; unset gpuforge_kept gpuforge_open gpuforge_word"""


class CmdlineError(Exception):
    """The parameters can't be set; every reason, one a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def split(text: str) -> List[str]:
    """The parameters of a command line as the kernel splits it: at spaces, except inside double quotes.

    Quotes are dropped, so that ``a="b c"`` and ``"a=b c"`` are the same parameter. Whatever follows ``--`` is for
    init and no parameter.
    """
    found: List[str] = []
    word, quoted, inside = "", False, False
    for sign in text.strip() + " ":
        if sign == '"':
            quoted = not quoted
            inside = True
        elif sign.isspace() and not quoted:
            if word == "--":
                break
            if word or inside:
                found.append(word)
            word, inside = "", False
        else:
            word += sign
    if quoted and word:
        found.append(word.rstrip())
    return found


def name_of(parameter: str) -> str:
    """The parameter's name in the kernel's eyes, where dashes and underscores are equal."""
    return parameter.split("=", 1)[0].replace("-", "_")


def check(present: Sequence[str], absent: Sequence[str]) -> None:
    """Raise CmdlineError with every parameter that can't be right."""
    problems: List[str] = []
    for option, parameters in (("present", present), ("absent", absent)):
        for parameter in parameters:
            name, _equals, value = parameter.partition("=")
            if not _NAME.match(name):
                problems.append("%s: %r has no name such as iommu or nvme_core.io_timeout" % (option, parameter))
            elif not _VALUE.match(value):
                problems.append("%s: %r holds a quote, a dollar, a backslash or a line break" % (option, parameter))
    for parameter in sorted(set(present) & set(absent)):
        problems.append("%r is both present and absent" % parameter)
    for name in sorted({name_of(one) for one in present} & {name_of(one) for one in absent if "=" not in one}):
        problems.append("%s is wanted with a value, and absent with any" % name)
    for parameter in sorted({one for one in present if list(present).count(one) > 1}):
        problems.append("present: %r is there twice" % parameter)
    if problems:
        raise CmdlineError(problems)


def bare_metal_only(parameter: str) -> bool:
    """True if a virtual machine must not get this parameter."""
    names = {name.replace("-", "_") for name in BARE_METAL_ONLY}
    if name_of(parameter) in names:
        return True
    return name_of(parameter) == "pci" and any(word in parameter for word in BARE_METAL_PCI)


def quoted(parameter: str) -> str:
    """The parameter as grub's ``linux`` line needs it: a value with unusual signs stands in double quotes."""
    name, equals, value = parameter.partition("=")
    return parameter if _PLAIN.match(value) else '%s%s"%s"' % (name, equals, value)


def render(present: Sequence[str], absent: Sequence[str]) -> str:
    """The drop-in's text; empty when nothing is wanted.

    Added parameters go to GRUB_CMDLINE_LINUX_DEFAULT: the recovery entries boot without them. Removal filters both
    variables word by word and leaves the words between untouched.
    """
    lines: List[str] = []
    if absent:
        patterns = "|".join(sorted(_pattern(parameter) for parameter in absent))
        for variable in ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"):
            lines.append(_FILTER.format(variable=variable, patterns=patterns))
    for parameter in present:
        lines.append("GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT \"'%s'" % quoted(parameter))
    return HEADER + "\n".join(lines) + "\n" if lines else ""


def _pattern(parameter: str) -> str:
    """A shell pattern: a bare name stands for the parameter with any value."""
    if "=" not in parameter:
        return "'%s'|'%s='*" % (parameter, parameter)
    return "|".join("'%s'" % form for form in sorted({parameter, quoted(parameter)}))


def pending(present: Sequence[str], absent: Sequence[str], running: str) -> Dict[str, str]:
    """What the running kernel's command line lacks or has too much: {parameter: why}."""
    have = split(running)
    found: Dict[str, str] = {}
    for parameter in present:
        if not any(_equal(parameter, one) for one in have):
            found[parameter] = "not on the running kernel's command line"
    for parameter in absent:
        for one in have:
            if _equal(parameter, one) or ("=" not in parameter and name_of(one) == name_of(parameter)):
                found[parameter] = "still on the running kernel's command line as %s" % one
    return found


def _equal(one: str, other: str) -> bool:
    return name_of(one) == name_of(other) and one.partition("=")[2] == other.partition("=")[2]
