# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a run looks like right now, gathered from its events. Pure: the live tree draws it, tests ask it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gpuforge.events import ENDINGS, Event


@dataclass(slots=True)
class Node:
    """A base, layer or step: its last status ("pending" before it starts), times in UNIX seconds, the current task."""

    kind: str
    name: str
    status: str = "pending"
    started: float = 0.0
    seconds: float | None = None
    detail: str = ""
    current: str = ""
    current_since: float = 0.0
    tasks: int = 0
    changed: int = 0
    children: list[Node] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status in ENDINGS

    def elapsed(self, now: float) -> float | None:
        """Seconds it took or has been going on; None before it starts and where it took no time (cached)."""
        if self.seconds is not None:
            return self.seconds
        return max(0.0, now - self.started) if self.status == "start" else None


class RunState:
    """The run: its name, its nodes in order, and messages that nobody has shown yet."""

    def __init__(self) -> None:
        self.name = ""
        self.status = "pending"
        self.started = 0.0
        self.seconds: float | None = None
        self.detail = ""
        self.nodes: list[Node] = []

    def take(self, event: Event) -> None:
        """Learn from one event."""
        if event.kind == "run":
            self._run(event)
        elif event.kind == "task":
            self._task(event)
        elif event.kind != "message":
            self._node(event)

    def _run(self, event: Event) -> None:
        self.name = self.name or event.name
        self.status = event.status if event.status == "start" or event.status in ENDINGS else self.status
        if event.status == "start":
            self.started = event.time
            for kind, name in _planned(event.data.get("planned")):
                self.nodes.append(Node(kind, name))
        elif event.status in ENDINGS:
            self.seconds, self.detail = event.seconds, event.detail
            # What was planned and never came is not pending any more.
            self.nodes = [node for node in self.nodes if node.status != "pending"]

    def _node(self, event: Event) -> None:
        parent = self.find(event.parent) if event.parent else None
        siblings = parent.children if parent is not None else self.nodes
        node = next((node for node in siblings if (node.kind, node.name) == (event.kind, event.name)), None)
        if node is None:
            node = Node(event.kind, event.name)
            siblings.append(node)
        if event.status == "start":
            node.status, node.started, node.seconds = "start", event.time, None
            node.detail = event.detail
        elif event.status in ENDINGS:
            node.status, node.current = event.status, ""
            node.seconds = event.seconds
            node.detail = event.detail
            if event.seconds is None and node.started and event.status != "cached":
                node.seconds = event.time - node.started
        elif event.status == "progress":
            node.current, node.current_since = event.detail, event.time
            if node.status == "pending":
                node.status, node.started = "start", event.time

    def _task(self, event: Event) -> None:
        node = self.find(event.parent)
        if node is None:
            return
        if event.status == "start":
            node.current, node.current_since = event.name, event.time
        elif event.status in ENDINGS:
            node.current = event.name if event.status == "failed" else ""
            node.tasks += event.status != "skipped"
            node.changed += event.status == "changed"

    def find(self, name: str) -> Node | None:
        """The newest node of that name, at any depth."""

        def search(nodes: Iterable[Node]) -> Node | None:
            for node in nodes:
                if node.name == name:
                    return node
                if (found := search(node.children)) is not None:
                    return found
            return None

        return search(reversed(self.nodes))


def _planned(value: object) -> Iterable[tuple[str, str]]:
    """Kind and name of what a run is going to do: ``[["layer", "framework"], ...]``."""
    if not isinstance(value, (list, tuple)):
        return []
    return [(str(item[0]), str(item[1])) for item in value if isinstance(item, (list, tuple)) and len(item) == 2]
