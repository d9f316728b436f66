"""A call's turn under the limit: its ticket, and what was taken for the attempt that runs."""

import uuid
from dataclasses import dataclass, field

from seawall import Attempt
from seawall.state import Store
from seawall_tokens.admission import Verdict


@dataclass(eq=False, slots=True)
class Turn:
    """What the governor knows of one call."""

    model: str
    model_class: str
    max_tokens: int
    store: Store
    key: str
    """Of the document of its model class."""
    caller: str
    weight: float
    prefix: str
    asked: float = 0.0
    """When it last asked, on the governor's clock."""
    waited: float = 0.0
    """Seconds that it has waited for room, those for attempts before included."""
    ticket: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    input: float = 0.0
    """Tokens taken for the attempt that runs."""
    output: float = 0.0
    """Output tokens it is expected to write."""
    attempt: Attempt | None = None
    """The attempt that was admitted; `None` while the call waits, or has ended."""
    waits: bool = False
    """It has a place in the queue."""
    told: float = 0.0
    """Output tokens that were reported of it."""
    is_synced: bool = False
    """What its answer says of the limits was reported."""
    time: float = 0.0
    taken: dict[str, float] = field(default_factory=dict)
    tags: list[int] = field(default_factory=list)
    """Of the last verdict that admitted it."""

    def ask(self, now: float) -> None:
        """Note that it asks whether an attempt may be sent."""
        if self.waits:
            self.waited += max(now - self.asked, 0.0)
        self.asked = now

    def admit(self, attempt: Attempt, verdict: Verdict) -> None:
        """Note that an attempt may be sent."""
        self.attempt, self.told, self.is_synced = attempt, 0.0, False
        self.time, self.taken, self.tags = verdict["time"], verdict["taken"], verdict["tags"]
