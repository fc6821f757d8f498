"""What hangs together by pairs: union-find with path halving (Tarjan and van Leeuwen, 1984)."""

from __future__ import annotations

from typing import Generic, TypeVar

Key = TypeVar("Key", int, str)


class DisjointSets(Generic[Key]):
    """Sets that are joined two at a time; each is known by its leader, one of its keys."""

    def __init__(self) -> None:
        self._leader: dict[Key, Key] = {}

    def leader(self, key: Key) -> Key:
        """Of the set that a key is in; a new key is a set of its own."""
        leader = self._leader
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    def join(self, one: Key, other: Key) -> None:
        """Make one set of those that two keys are in."""
        self._leader[self.leader(other)] = self.leader(one)

    def ascending(self) -> list[Key]:
        """Every key that was named, ascending."""
        return sorted(self._leader)
