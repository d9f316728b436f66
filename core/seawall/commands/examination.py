"""What `seawall doctor` looks at, one function each."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final, Literal, NamedTuple

import anthropic

from seawall.errors import ConfigError
from seawall.registry import configured_folder, configured_store, instances, load
from seawall.settings import Configuration
from seawall.state import READ, MemoryStore, StoreError
from seawall.state.store import shown

_KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_MODEL: Final = "claude-haiku-4-5"
_PATIENCE: Final = 20.0
"""Seconds that the API has to answer."""
_SLOPPINESS: Final = 30.0
"""Seconds that a clock may be off: leases of processes and budgets of hours bear that."""


class Finding(NamedTuple):
    """What was found about one thing."""

    verdict: Literal["ok", "note", "WRONG"]
    said: str
    """What it is, and what to do unless it is right."""


def examine(*, online: bool, clock: Callable[[], float] = time.time) -> Iterator[Finding]:  # noqa: TID251
    """Yield what is found.

    Args:
        online: Whether to ask the API.
        clock: Seconds since 1970.
    """
    yield Finding("ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    yield sdk()
    try:
        names = list(instances())
        load()
    except ConfigError as error:
        yield Finding("WRONG", f"configuration: {error} (see `seawall config check`)")
    else:
        said = ", ".join(source.name for source in Configuration().sources if source.tables)
        yield Finding("ok", f"configuration: {said or 'nothing is set, the defaults hold'}")
        yield Finding("ok", f"plugins: {', '.join(names) or 'none run'}")
        yield state_directory()
        yield store()
    found = key(is_needed=online)
    yield found
    if online and found.verdict == "ok":
        yield from connection(clock)


def sdk() -> Finding:
    """Whether the SDK has the seam that `protect` uses."""
    said = f"anthropic {anthropic.__version__}, seawall-core {version('seawall-core')}"
    if hasattr(anthropic, "Middleware"):
        return Finding("ok", said)
    return Finding("WRONG", f"{said}: the SDK has no middleware; run: pip install --upgrade seawall-core")


def key(*, is_needed: bool) -> Finding:
    """Whether a client that is given no key has one."""
    try:
        client = anthropic.Anthropic()
    except anthropic.AnthropicError as error:
        return Finding("WRONG", f"key: the SDK makes no client: {type(error).__name__}: {error}")
    with client:
        if variable := next((name for name in _KEYS if os.environ.get(name)), None):
            return Finding("ok", f"key: {variable} is set")
        if client.api_key or client.auth_token or client.credentials:
            return Finding("ok", "key: there is a credentials profile")
    said = f"key: none is set; set {_KEYS[0]}, or give each client its api_key"
    return Finding("WRONG" if is_needed else "note", said)


def state_directory() -> Finding:
    """Whether the ledger and what calls share on this machine can be written."""
    folder = configured_folder()
    if folder is None:
        return Finding("WRONG", "state directory: this user has no home directory; set state_dir to a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        why = error.strerror or type(error).__name__
        said = f"state directory: {folder} cannot be written ({why}); set state_dir to a folder that can"
        return Finding("WRONG", said)
    return Finding("ok", f"state directory: {folder} can be written")


def store() -> Finding:
    """Whether what calls share can be reached."""
    wanted = Configuration().core().state
    named = f"state: {shown(wanted)}"
    try:
        found = configured_store()
        found.step(READ, key="doctor")
    except (ConfigError, StoreError) as error:
        return Finding("WRONG", f"{named} does not answer: {error}; start it, or correct `state`")
    if wanted == "memory":
        return Finding("note", f"{named}; other processes do not share limits and budgets with this one")
    if isinstance(found, MemoryStore):
        return Finding("WRONG", f"{named} cannot be used, each process is on its own; set state_dir")
    return Finding("ok", f"{named} answers")


def connection(clock: Callable[[], float]) -> Iterator[Finding]:
    """Ask the API for a count of tokens; look at its answer and its clock."""
    with anthropic.Anthropic(max_retries=0, timeout=_PATIENCE) as client:
        named = f"API: {client.base_url.host}"
        try:
            raw = client.messages.with_raw_response.count_tokens(
                model=_MODEL, messages=[{"role": "user", "content": "Hello"}]
            )
        except anthropic.APIStatusError as error:
            what, status = "set another key", error.status_code
            if not isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
                what = "try again, or look at the API's status page"
            yield Finding("WRONG", f"{named} answers HTTP {status} to a count of tokens; {what}")
            headers = error.response.headers
        except anthropic.APIConnectionError as error:
            why, what = (
                type(error.__cause__ or error).__name__,
                "the network, the proxy and ANTHROPIC_BASE_URL",
            )
            yield Finding("WRONG", f"{named} cannot be reached ({why}); look at {what}")
            return
        else:
            yield Finding("ok", f"{named} counts tokens")
            headers = raw.headers
    yield clock_against(headers.get("date"), clock())


def clock_against(date: str | None, now: float) -> Finding:
    """Compare the clock of this machine with the `Date` header of an answer."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding("note", "clock: the answer has no date to compare with")
    off = now - theirs
    if abs(off) <= _SLOPPINESS:
        return Finding("ok", "clock: as the API's")
    way = "ahead of" if off > 0 else "behind"
    what = "budgets and leases go by it: synchronise it"
    return Finding("WRONG", f"clock: {abs(off):,.0f} s {way} the API's; {what}")
