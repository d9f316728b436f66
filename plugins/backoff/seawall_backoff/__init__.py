"""Retries transient failures, and holds calls while the API is down: no failed work, no storm."""

from seawall_backoff.errors import CircuitOpenError
from seawall_backoff.plugin import Backoff
from seawall_backoff.settings import BackoffSettings

__all__ = ["Backoff", "BackoffSettings", "CircuitOpenError"]
