"""Puts together what there is of an answer; nothing is sent."""

from collections.abc import Sequence
from typing import Any

import anthropic

import seawall


class _NotSentError(Exception):
    """What there is of a message has been taken in."""


class _Whatever:
    """Asks to go on with an answer, however short it is."""

    @seawall.hookimpl
    def pre_request(self) -> seawall.Amend:
        return seawall.Amend(resume=seawall.Resume(continue_after_tokens=0))


class _Shown:
    """Replays an answer, and sends nothing."""

    def __init__(self, attempts: Sequence[seawall.EarlierAttempt]) -> None:
        self._attempts = attempts

    @seawall.hookimpl
    def pre_request(self, call: seawall.Call) -> seawall.Replay | seawall.Reject:
        return seawall.Reject(_NotSentError()) if call.earlier else seawall.Replay(self._attempts)


def text_of(attempts: Sequence[seawall.EarlierAttempt]) -> str:
    """Return the text of what attempts brought, as a call goes on with it."""
    if not attempts:
        return ""
    options: Any = {"settings": {"state": "memory"}, "plugins": [_Whatever(), _Shown(attempts)]}
    with anthropic.Anthropic(api_key="none", base_url="http://localhost") as bare:
        client = seawall.protect(bare, **options)
        message: Any = None
        try:
            message = client.messages.create(model="", max_tokens=1, messages=[])
        except _NotSentError as error:
            message = seawall.partial_message(error)
    blocks = message.content if message is not None else ()
    return "".join(block.text for block in blocks if block.type == "text")
