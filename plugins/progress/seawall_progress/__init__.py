"""Progress: what a long call is doing, to people, applications and operators."""

from seawall_progress.events import Advanced, Ended, Event, PhaseChanged, Started
from seawall_progress.expecting import expect
from seawall_progress.plugin import Progress
from seawall_progress.settings import ProgressSettings
from seawall_progress.values import CallProgress, Expected, Phase

__all__ = [
    "Advanced",
    "CallProgress",
    "Ended",
    "Event",
    "Expected",
    "Phase",
    "PhaseChanged",
    "Progress",
    "ProgressSettings",
    "Started",
    "expect",
]
