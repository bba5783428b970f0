"""`make docs`: the roles' README.md, docs/modules/*.md and the tables of README.md, from what ansible itself
reads; docs/compatibility.md from the compatibility facts.

With `--check` nothing is written; pages that are not as they would be written are named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import compatibility
from markup import markdown, sentences, table

REPO = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
COLLECTION = "gpuforge.node"
NOTE = "<!-- Written by `make docs`; change {source} instead. -->\n"


def ansible_doc(kind: str) -> dict[str, Any]:
    """What `ansible-doc` knows of all plugins of a kind ("module" or "role") of this collection, by full name."""
    collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or str(REPO / ".venv" / "share" / "collections")
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def ask(*arguments: str) -> dict[str, Any]:
        argv = ["ansible-doc", "--json", "--type", kind, *arguments]
        done = subprocess.run(argv, env=env, cwd=REPO, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit("a documentation cannot be read: see the lines above")
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    names = sorted(name for name in ask("--list", COLLECTION) if name.startswith(f"{COLLECTION}."))
    return ask(*names) if names else {}


def default_of(option: Mapping[str, Any]) -> str:
    """How an option's default is shown: as YAML would have it, on one line."""
    if option.get("required"):
        return "required"
    if option.get("default") is None:
        return ""
    return f"`{json.dumps(option['default'], ensure_ascii=False)}`"


def option_rows(options: Mapping[str, Any], inner: str, prefix: str = "") -> list[list[str]]:
    """Rows of an options table: name, type, default, what it does; sub-options follow as `parent.child`."""
    rows = []
    for name, option in options.items():
        kind = str(option.get("type", "str"))
        if "elements" in option:
            kind += f" of {option['elements']}"
        what = sentences(option.get("description", ""))
        if option.get("choices"):
            what += "\n\nOne of: " + ", ".join(f"`{json.dumps(choice)}`" for choice in option["choices"]) + "."
        rows.append([f"`{prefix}{name}`", kind, default_of(option), what])
        rows += option_rows(option.get(inner) or {}, inner, f"{prefix}{name}.")
    return rows


def result_rows(values: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Rows of a table of results: name, type, when, what."""
    rows = []
    for name, value in values.items():
        when = str(value.get("returned", "")) if not prefix else ""
        kind = str(value.get("type", "")) + (f" of {value['elements']}" if "elements" in value else "")
        rows.append([f"`{prefix}{name}`", kind, when, sentences(value.get("description", ""))])
        rows += result_rows(value.get("contains") or {}, f"{prefix}{name}.")
    return rows


def role_page(name: str, entry_points: Mapping[str, Any]) -> str:
    """The README.md of a role."""
    short = name.rpartition(".")[2]
    main = entry_points["main"]
    parts = [
        f"# {name}",
        NOTE.format(source="meta/argument_specs.yml"),
        f"{markdown(main['short_description'])}.",
        sentences(main.get("description", "")),
    ]
    rows = option_rows(main.get("options") or {}, "options")
    parts += ["## Variables", table(["Name", "Type", "Default", "What it does"], rows) or "None."]
    phases = REPO / "roles" / short / "tasks"
    named = [phase for phase in ("install", "configure", "runtime", "verify") if (phases / f"{phase}.yml").exists()]
    if named:
        parts += [
            "## Phases",
            f"Tag `{short}` runs all of it. Single phases: " + ", ".join(f"`{short}_{phase}`" for phase in named) + ". "
            "What a phase may assume: [docs/layers.md](../../docs/layers.md).",
        ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def module_page(name: str, told: Mapping[str, Any]) -> str:
    """The page of a module."""
    doc = told["doc"]
    attributes = [
        [f"`{key}`", str(value.get("support", "")), sentences(value.get("description", ""))]
        for key, value in (doc.get("attributes") or {}).items()
    ]
    options = option_rows(doc.get("options") or {}, "suboptions")
    parts = [
        f"# {name}",
        NOTE.format(source=f"plugins/modules/{name.rpartition('.')[2]}.py"),
        f"{markdown(doc['short_description'])}.",
        sentences(doc.get("description", "")),
        "## Options",
        table(["Name", "Type", "Default", "What it does"], options) or "None.",
        "## Attributes" if attributes else "",
        table(["Name", "Support", "What it means"], attributes),
        "## Notes" if doc.get("notes") else "",
        "\n".join(f"- {sentences(note)}" for note in doc.get("notes") or []),
        "## Examples",
        f"```yaml\n{str(told['examples']).strip()}\n```",
        "## Results",
        table(["Name", "Type", "Returned", "What it is"], result_rows(told.get("return") or {})),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def contents(readme: str, mark: str, rows: list[list[str]]) -> str:
    """The text of README.md with a new table between `<!-- MARK -->` and `<!-- end MARK -->`."""
    head, start, rest = readme.partition(f"<!-- {mark} -->\n")
    _, end, tail = rest.partition(f"<!-- end {mark} -->")
    if not start or not end:
        raise SystemExit(f"README.md has no <!-- {mark} --> … <!-- end {mark} -->")
    return head + start + table(["Name", "What it does"], rows) + "\n" + end + tail


def in_order(roles: Mapping[str, Any]) -> list[str]:
    """The roles' names in the order of site.yml; those that are no layer of it follow."""
    plays = yaml.safe_load((REPO / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    layers = [entry["role"] for play in plays for entry in play["roles"]]
    return [name for name in layers if name in roles] + sorted(set(roles) - set(layers))


def pages() -> dict[Path, str]:
    """Every page with its text."""
    found = {}
    roles, modules = ansible_doc("role"), ansible_doc("module")
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    rows = [
        [
            f"[{name}](roles/{name.rpartition('.')[2]})",
            markdown(roles[name]["entry_points"]["main"]["short_description"]),
        ]
        for name in in_order(roles)
    ]
    readme = contents(readme, "roles", rows)
    rows = [
        [f"[{name}](docs/modules/{name.rpartition('.')[2]}.md)", markdown(modules[name]["doc"]["short_description"])]
        for name in sorted(modules)
    ]
    found[REPO / "README.md"] = contents(readme, "modules", rows)
    for name, entry in roles.items():
        found[REPO / "roles" / name.rpartition(".")[2] / "README.md"] = role_page(name, entry["entry_points"])
    for name, told in modules.items():
        found[REPO / "docs" / "modules" / f"{name.rpartition('.')[2]}.md"] = module_page(name, told)
    found[compatibility.PAGE] = compatibility.page()
    return found


def main() -> int:
    """Write the pages, or say which are not as they should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not up to date")
    check = parser.parse_args().check
    wanted = pages()
    stale = [path for path in (REPO / "docs" / "modules").glob("*.md") if path not in wanted]
    stale += [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in sorted(stale):
        if check:
            print(f"{path.relative_to(REPO)}: run `make docs`")
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {path.relative_to(REPO)}")
        else:
            path.unlink()
            print(f"removed {path.relative_to(REPO)}: there is no such module")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
