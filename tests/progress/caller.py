"""A process with one long call, for `test_watch.py`: `caller.py BASE_URL MODEL CALLER`."""

import sys

import anthropic

import seawall
from seawall_tokens import caller

base_url, model, name = sys.argv[1:]
with anthropic.Anthropic(base_url=base_url, api_key="test") as bare, caller(name):
    messages = [{"role": "user", "content": "The secret of the test: write a long report."}]
    seawall.protect(bare).messages.create(model=model, max_tokens=64_000, messages=messages)
