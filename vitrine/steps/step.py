"""A step: one command line of a program, what it reads and what it makes."""

from dataclasses import dataclass
from pathlib import Path

from vitrine.steps.contents import Content


@dataclass(frozen=True)
class Step:
    """One command line of a program.

    It is done again when its arguments, its program, what it reads, or a step that it comes after has changed.

    Attributes:
        name: name in messages, of the log and in the record of what was done.
        does: what it does, for people.
        arguments: the arguments of `python -m`; the first is the program.
        output: the file that exists when the step is finished.
        after: names of the steps whose outputs it reads.
        reads: what it reads besides, as far as a change of it changes the output.
        matches: what its output must agree with to the last value for a later step to read it; a change of it alone
            does the step again only where such a later step is to be done.
        keeps_output: whether the program itself replaces what an earlier run made, so that nothing is removed before.
    """

    name: str
    does: str
    arguments: tuple[str, ...]
    output: Path
    after: tuple[str, ...] = ()
    reads: tuple[Content, ...] = ()
    matches: tuple[Content, ...] = ()
    keeps_output: bool = False

    @property
    def program(self) -> str:
        """The program that is run."""
        return self.arguments[0]
