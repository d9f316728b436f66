"""What a journal says of itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "fingerprint": str,
    "target": str,
    "model": str,
    "created": (int, float),
    "seawall": str,
    "request": dict,
    "details": dict,
}


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a journal; what is not in one that is read has its default."""

    fingerprint: str
    """Of the request; another request for the same target has another one."""
    target: str
    """The file that is saved to, as the caller named it."""
    model: str = ""
    created: float = 0.0
    """Seconds since the epoch."""
    seawall: str = ""
    """The version that wrote it."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """The body of the request, by which it can be sent again."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else whoever wrote it wants to find."""

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Return the header that an object holds; keys that it does not know are left out.

        Raises:
            ValueError: A value is of another type or no path, or the fingerprint or the target is missing.
        """
        found: dict[str, Any] = {key: value[key] for key in _TYPES if key in value}
        for key, got in found.items():
            if not isinstance(got, _TYPES[key]) or isinstance(got, bool):
                raise ValueError(f"its {key} is a {type(got).__name__}")  # noqa: TRY004 - of what was read
        if not (found.get("fingerprint") and found.get("target")):
            raise ValueError("it names no request or no target")
        if "\0" in found["target"]:
            raise ValueError("its target is no path")
        return cls(**found)

    def object(self) -> dict[str, Any]:
        """The object that holds it."""
        return asdict(self)
