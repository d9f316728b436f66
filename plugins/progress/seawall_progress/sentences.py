"""What a call is doing, in words."""

from seawall_progress.values import CallProgress, Expected

_MINUTE = 60
_HOUR = 3600


def sentence(progress: CallProgress) -> str:
    """Return all that matters at the moment, as one line of ASCII but for the reason of a wait."""
    return ", ".join(part for part in (doing(progress), *_measures(progress)) if part)


def doing(progress: CallProgress) -> str:
    """Return the phase and its reason."""
    said: str = progress.phase
    match progress.phase:
        case "done":
            said = progress.status + (f" ({progress.reason})" if progress.reason else "")
        case "queued" | "waiting" if progress.reason:
            wait = f" {duration(progress.wait_left)}" if progress.wait_left else ""
            said = f"{said}{wait}: {progress.reason}"
        case "stalled":
            said = f"stalled: no byte for {duration(progress.in_phase)}"
        case "tool input":
            said = "writing tool input"
        case "connecting" | "resuming" if progress.attempts > 1:
            said = f"{said}, attempt {progress.attempts}"
        case "writing" if progress.reason:
            said = f"receiving {progress.reason}"
    return said


def _measures(progress: CallProgress) -> list[str]:
    parts = []
    if progress.tokens or progress.phase == "done":
        parts.append(tokens(progress))
    if progress.percent is not None and progress.phase != "done" and progress.tokens:
        parts.append(share(progress.percent, progress.expected))
    rate = progress.overall_rate if progress.phase == "done" else progress.rate
    if rate is not None:
        parts.append(f"{rate:.0f} tokens/s")
    if progress.eta is not None:
        parts.append(left(progress.eta, progress.expected))
    return [*parts, f"{progress.elapsed:.1f} s"]


def tokens(progress: CallProgress) -> str:
    """Return the tokens so far."""
    about = "" if progress.is_exact else "at least about " if progress.hides_thinking else "about "
    return f"{about}{progress.tokens:,} tokens"


def share(percent: float, expected: Expected | None) -> str:
    """Return how much of what is there."""
    if expected is None:
        return f"{percent:.0f} %"
    whole = f"{expected.tokens:,}"
    if expected.kind == "ceiling":
        whole = "max_tokens"
    elif expected.low is not None:
        whole = f"about {span(expected)}"
    return f"{percent:.0f} % of {whole}"


def span(expected: Expected) -> str:
    """Return the range of what was learned, or the number that was said."""
    if expected.low is None or expected.high is None or expected.low == expected.high:
        return f"{expected.tokens:,}"
    return f"{expected.low:,}-{expected.high:,}"


def left(eta: float, expected: Expected | None) -> str:
    """Return how long it takes still."""
    is_ceiling = expected is not None and expected.kind == "ceiling"
    return f"{'at most' if is_ceiling else 'about'} {duration(eta)} left"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    seconds = round(seconds)
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE:02} s"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02} min"
