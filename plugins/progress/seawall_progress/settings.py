"""Options of the plugin."""

from pydantic import BaseModel, ConfigDict, PositiveFloat


class ProgressSettings(BaseModel):
    """Options of the progress plugin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: PositiveFloat = 10.0
    """Seconds between two lines about a call whose phase does not change."""
    stalled_after: PositiveFloat = 20.0
    """Seconds without a byte, pings included, after which an answer that has begun is said to stall."""
    metrics: bool = True
    """Calls are told to OpenTelemetry, where the application has set it up."""
