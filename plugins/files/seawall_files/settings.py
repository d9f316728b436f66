"""The settings of the files plugin."""

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveFloat


class FilesSettings(BaseModel):
    """Options of the files plugin, for answers that are saved; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sync_interval: PositiveFloat = 1.0
    """Seconds of an answer that a crash of the machine may cost at most: so often a journal is synced. One of
    the process costs a tenth of a second, or this where it is less."""
    lock_timeout: NonNegativeFloat = 10.0
    """Seconds that a call waits while another one saves to the same file; 0: it does not wait."""
    backups: NonNegativeInt = 0
    """How many of the files that were replaced are kept, as `report.md.~1~`, `report.md.~2~` and so on."""
