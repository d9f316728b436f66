"""Options of the plugin."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat


class ProgressSettings(BaseModel):
    """Options of the progress plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terminal: Literal["auto", "on", "off"] = "auto"
    """Whether calls are shown on stderr. `"on"`: live where it is a terminal, by lines where it is not.
    `"auto"`: by the commands of `seawall`, where it is a terminal; an application shows nothing."""
    interval: PositiveFloat = 10.0
    """Seconds between two lines about a call whose phase does not change."""
    stalled_after: PositiveFloat = 20.0
    """Seconds without a byte, pings included, after which an answer that has begun is said to stall."""
    metrics: bool = True
    """Calls are told to OpenTelemetry, where the application has set it up."""
