# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""``gpuforge stack``: the stack check for people and scripts, without a spec."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from gpuforge.collection import find_collection
from gpuforge.console import Console, table
from gpuforge.errors import EXIT_DONE, EXIT_REFUSED, Problem, Refused, UsageError
from gpuforge.stack import ask, core, load_facts, warning_text

_CLASS = {"new_feature": "new feature"}


def run(args: Namespace, console: Console) -> int:
    """Run one verb; the exit code."""
    api = core(find_collection())
    facts = load_facts(api, args.compat, args.releases)
    if args.verb == "list":
        return _list(api.facts_json(facts), console)
    verdict, problems = ask(api, _request(args, api), facts)
    if not verdict:
        raise UsageError(
            "the request cannot be understood", problems=problems, hint=f"gpuforge stack {args.verb} --help"
        )
    warnings = [warning_text(item) for item in verdict["warnings"]]
    if verdict["passes"]:
        console.result(verdict, "\n".join([_text(verdict["resolved"]), *(f"warning: {item}" for item in warnings)]))
        return EXIT_DONE
    refused = Refused(
        "this combination cannot work", doing="checking the stack", hint="see what is known with gpuforge stack list",
        problems=(*(Problem("", item.what, item.why, item.hint) for item in problems),
                  *(Problem("", f"warning: {item}") for item in warnings)),
    )  # fmt: skip
    if console.json:
        console.result(verdict, "", ok=False)
    console.error(refused)
    return EXIT_REFUSED


def _request(args: Namespace, api: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "cuda": args.cuda, "flavour": args.flavour, "origin": args.source, "distribution": args.distribution,
        "gpus": args.gpu, "kernel": args.kernel, "dcgm": args.dcgm, "container_toolkit": args.container_toolkit,
        "locks": args.lock, "allow_unknown": args.allow_unknown,
        "parts": {"fabricmanager": args.fabricmanager} if args.fabricmanager else {},
    }  # fmt: skip
    if args.verb == "check":
        return {**request, "driver": args.driver}
    words = " ".join(args.words)
    if api.looks_like_cuda(words):
        return {**request, "cuda": [*args.cuda, words]}
    return {**request, "driver": words}


def _text(stack: Mapping[str, Any]) -> str:
    """The resolved stack as a table."""
    rows = []
    driver = stack["driver"]
    if driver:
        kind = _CLASS.get(driver["class"], driver["class"])
        told = [kind, f"fixes until {driver['eol']}", f"{driver['flavour']} module", f"from {driver['source']}"]
        rows.append(["driver", driver["version"] or f"{driver['branch']} (what the archive has)", ", ".join(told)])
        # The roles hold the version by apt's preferences; NVIDIA's package for it is for who installs by hand.
        rows += [["", "by hand", f"install {driver['pin']} first, which pins it"]] if driver["pin"] else []
        rows += [["", "packages", " ".join(driver["packages"])]] if driver["packages"] else []
    rows += [["cuda", item["version"], " ".join(item["packages"])] for item in stack["toolkits"]]
    for name in ("fabricmanager", "nscq", "nvsdm", "imex"):
        if stack[name] and stack[name]["wanted"]:
            rows.append([name, stack[name]["version"], " ".join(stack[name]["packages"])])
    for name in ("dcgm", "container_toolkit"):
        if stack[name]:
            rows.append([name.replace("_", " "), stack[name]["version"], " ".join(stack[name]["packages"])])
    rows += [["gpu", gpu["name"], gpu["generation"] or "not known"] for gpu in stack["gpus"]]
    return table(rows) if rows else "nothing to install"


def _list(facts: Mapping[str, Any], console: Console) -> int:
    def block(name: str, header: list[str]) -> str:
        return table(facts[name], header)

    text = "\n\n".join([
        f"facts of {facts['date']}",
        block("branches", ["BRANCH", "CLASS", "FIXES UNTIL", "NEWEST", "CUDA", "KERNEL MODULES"]),
        block("toolkits", ["CUDA", "NEWEST", "BRANCH", "LOWEST DRIVER", "BUILDS FOR"]),
        block("generations", ["GPUS", "DRIVERS", "KERNEL MODULES", "CUDA", "PRODUCTS"]),
    ])  # fmt: skip
    console.result(facts, text)
    return EXIT_DONE
