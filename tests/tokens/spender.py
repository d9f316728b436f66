"""Processes that spend: `python spender.py BASE_URL STATE DOLLARS PROCESSES`.

Each makes calls, one after another, until one is refused, and tells what became of each: a line
`PID WORD AMOUNT` on standard output, tokens of an answer or dollars of a budget. They begin together.
"""

import os
import sys

import anthropic

import seawall
from seawall_tokens.prices import Prices


def main(base_url: str, state: str, dollars: str, processes: str) -> None:
    # loads what a child would load: eight times that is most of the test
    Prices.warm()
    seawall.estimate_tokens("word", "claude-opus-5-5")
    gate, opener = os.pipe()
    children = [os.fork() for _ in range(int(processes)) if os.getpid() == parent]
    os.close(opener)
    if os.getpid() == parent:
        for child in children:
            os.waitpid(child, 0)
    else:
        os.read(gate, 1)
        spend(base_url, state, float(dollars))


def spend(base_url: str, state: str, dollars: float) -> None:
    prices = {"claude-opus-5-5": {"input": 5, "output": 25}}
    settings = {"state": state, "tokens": {"budgets": [{"dollars": dollars, "per": "day"}], "prices": prices}}
    with anthropic.Anthropic(base_url=base_url, api_key="test") as bare:
        client = seawall.protect(bare, settings=settings, plugins=["tokens"])
        tell("begun", 0)
        while True:
            try:
                message = client.messages.create(
                    model="claude-opus-5-5",
                    max_tokens=64_000,
                    messages=[{"role": "user", "content": f"Write a report on {os.urandom(4).hex()}."}],
                )
                tell("answered", message.usage.output_tokens)
            except seawall.StreamStoppedError as error:
                tell("stopped", error.usage.output_tokens)
            except seawall.BudgetExceededError as error:
                tell("refused", error.spent)
                return


def tell(word: str, amount: float) -> None:
    # one write: lines of several processes do not mix, and none is half written
    os.write(1, f"{os.getpid()} {word} {amount}\n".encode())


parent = os.getpid()
main(*sys.argv[1:])
