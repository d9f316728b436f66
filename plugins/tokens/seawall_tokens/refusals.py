"""What a caller is told whose call a budget refuses or stops."""

from typing import Final

from seawall import BudgetExceededError, RequestRejectedError
from seawall.state import StoreError
from seawall_tokens.booking import Booked
from seawall_tokens.spending import Share

_NOTHING: Final = 1e-9


def exceeded(share: Share, booked: Booked) -> BudgetExceededError:
    """Return the error for an attempt that does not fit."""
    budget, ends = share.budget, share.budget.ends(booked["window"])
    amount = budget.amount
    # what others gave back may leave the rounding errors of a sum
    running = f" and {amount(booked['held'])} held for running calls" if booked["held"] > _NOTHING else ""
    until = "" if ends is None else f" This {budget.per} ends at {ends:%Y-%m-%d %H:%M} UTC."
    return BudgetExceededError(
        f"budget {share.title}: of {amount(budget.limit)}, {amount(booked['spent'])} are spent{running}; "
        f"this attempt would cost up to {amount(share.tariff.input)} for its input, and "
        f"{amount(share.at_most)} with all the output it asks for.{until} "
        "Raise the limit, or send less.",
        budget=budget.name or share.title,
        unit=budget.unit,
        limit=budget.limit,
        spent=booked["spent"],
        held=booked["held"],
        at_most=share.at_most,
        ends=ends,
    )


def unpriced(title: str, model: str) -> RequestRejectedError:
    """Return the error for a model without a price."""
    return RequestRejectedError(
        f"budget {title}: model {model!r} has no price, and is not free; give it one: "
        f"tokens.prices.{model!r} = {{ input = …, output = … }}, in dollars per million tokens"
    )


def unchecked(share: Share, error: StoreError) -> RequestRejectedError:
    """Return the error for an attempt whose budget cannot be asked."""
    return RequestRejectedError(
        f"budget {share.title} cannot be checked: {error}. Nothing was sent; with "
        'tokens.on_store_error = "open" calls go on without it'
    )


def used_up(share: Share) -> str:
    """Return why a stream is stopped."""
    budget = share.budget
    if share.is_lost:
        return f"budget {share.title} cannot be checked: the store of the state fails"
    ends = budget.ends(share.window)
    until = "" if ends is None else f"; this {budget.per} ends at {ends:%Y-%m-%d %H:%M} UTC"
    spent = budget.amount(share.booked + share.held)
    return (
        f"budget {share.title} is used up: this attempt has spent about {spent}, and no more of "
        f"{budget.amount(budget.limit)} is left{until}"
    )
