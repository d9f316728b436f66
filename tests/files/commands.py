"""What tests of commands share: a prompt, and the environment of a user who has a key."""

import os

PROMPT = "Write the report.\n"


def environment(simulator, **variables):
    address = simulator.base_url if simulator else "http://127.0.0.1:1"
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("ANTHROPIC_", "SEAWALL_"))}
    settings = {"SEAWALL_BACKOFF__BASE": "0.001", "PYTHONUTF8": "1", **variables}
    return {**mine, "ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": "test", **settings}
