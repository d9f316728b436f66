"""Progress: what a long call is doing, to people, applications and operators."""

from seawall_progress.events import Advanced, Dropped, Ended, Event, PhaseChanged, Started
from seawall_progress.expecting import expect
from seawall_progress.plugin import Progress
from seawall_progress.settings import ProgressSettings
from seawall_progress.subscription import Subscription, Told, follow, subscribe
from seawall_progress.values import CallProgress, Expected, Phase

__all__ = [
    "Advanced",
    "CallProgress",
    "Dropped",
    "Ended",
    "Event",
    "Expected",
    "Phase",
    "PhaseChanged",
    "Progress",
    "ProgressSettings",
    "Started",
    "Subscription",
    "Told",
    "expect",
    "follow",
    "subscribe",
]
