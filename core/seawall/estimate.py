"""`estimate_tokens`: a count where no call is at hand, by the plugins that are configured."""

from functools import cache

from seawall.hooks import CallHooks, Hooks
from seawall.registry import load


def estimate_tokens(text: str, model: str) -> int:
    """Return how many tokens `text` is for `model`, estimated.

    The first answer of the configured plugins' hook `estimate_tokens`, else a quarter of the characters. The
    plugins are made at the first call, which may block for some tenths of a second, and kept for the process.
    Any thread may call it.

    Raises:
        ConfigError: A setting or a plugin is wrong.
        PluginError: A plugin raised.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: a str is expected, not {type(text).__name__}")
    # a plugin that fails and is not required is left out of this count and asked again for the next
    return CallHooks(_hooks()).estimate(text, model)


@cache
def _hooks() -> Hooks:
    return load()
