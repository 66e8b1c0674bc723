"""How a run ends, and how a step of it fails."""

from dataclasses import dataclass

from connector.playbooks.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended: what its outputs hold, and where and why it failed, if it did.

    ``again`` is the place in the run from which it can be walked again: that of what failed, or whose time was over.
    """

    at: float
    outputs: dict[str, str | None]
    sentence: str | None = None
    step: str | None = None
    again: str | None = None

    @property
    def failed(self) -> bool:
        return self.sentence is not None


class StepFailed(Exception):
    """A step failed; ``owner`` is the visit whose time was over, which alone may deal with it."""

    def __init__(self, sentence: str, owner: Visit | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.owner = owner
        self.visit: Visit | None = None
