"""Undo and redo over paintings: a list of states and a place in it. Imports no torch.

Every stroke is one step. A new step cuts off what was undone, as people expect of undo.
"""
from __future__ import annotations

from dataclasses import dataclass

from core.paint.document import Painting

MAX_STEPS = 400


@dataclass(frozen=True)
class Timeline:
    """States of one painting, oldest first, and the number of the present one."""

    steps: tuple[Painting, ...]
    cursor: int = 0

    @classmethod
    def start(cls, painting: Painting) -> Timeline:
        """A timeline that begins here: nothing to undo."""
        return cls((painting,))

    @property
    def now(self) -> Painting:
        """The present state."""
        return self.steps[self.cursor]

    @property
    def can_undo(self) -> bool:
        return self.cursor > 0

    @property
    def can_redo(self) -> bool:
        return self.cursor + 1 < len(self.steps)

    def push(self, painting: Painting) -> Timeline:
        """One step on. The present state again is no step; beyond MAX_STEPS the oldest are forgotten."""
        if painting == self.now:
            return self
        steps = (*self.steps[: self.cursor + 1], painting)[-MAX_STEPS:]
        return Timeline(steps, len(steps) - 1)

    def undo(self) -> Timeline:
        """One step back, where there is one."""
        return self.at(self.cursor - 1) if self.can_undo else self

    def redo(self) -> Timeline:
        """One undone step on, where there is one."""
        return self.at(self.cursor + 1) if self.can_redo else self

    def at(self, cursor: int) -> Timeline:
        """The same states with another present one."""
        return Timeline(self.steps, max(0, min(cursor, len(self.steps) - 1)))
