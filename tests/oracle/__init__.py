"""The measure logic a second time, for checking the engine: one person at a time, in plain loops.

Each module follows one part of `docs/measure-logic.md` sentence by sentence. It reads the same
definition and the same code tables as the engine, and shares no code with it.
"""

from oracle.judge import Judgement, judge

__all__ = ["Judgement", "judge"]
