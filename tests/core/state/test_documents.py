"""A document is JSON, and one that is not says so."""

import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from seawall.state import StepError, StoreError, StoreUnavailableError
from seawall.state.documents import decoded, encoded


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": [1, {"b": None}]},
        {"ä": 0.1, "text": "null", "large": 2**53, "yes": True},
        {"half": "\ud800"},
        {"null": None},
    ],
)
def test_a_document_comes_back(document):
    assert decoded(encoded(document, "step", "key")) == document


def test_a_tuple_is_a_list():
    assert decoded(encoded({"a": (1, 2)}, "step", "key")) == {"a": [1, 2]}


def test_a_missing_document_is_empty():
    assert decoded(None) == {}


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        {"a": {1}},
        {"a": float("nan")},
        {"a": float("inf"), "text": "null"},
        {"a": [float("inf")]},
        {"a": b"bytes"},
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
        {"a": Decimal(1)},
        {(1, 2): 1},
    ],
)
def test_what_is_no_document_is_refused_with_step_and_key(document):
    with pytest.raises(StepError, match=r"step 'step' on the document of 'key': ") as caught:
        encoded(document, "step", "key")
    assert (caught.value.step, caught.value.key) == ("step", "key")


def test_a_document_that_holds_itself_is_refused():
    document = {}
    document["self"] = document
    with pytest.raises(StepError):
        encoded(document, "step", "key")


@pytest.mark.parametrize("text", ["[]", "{} {}", "{", "1", '"a"', "\x00"])
def test_text_that_is_no_document_is_an_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - of the JSON decoder
        decoded(text)


@pytest.mark.parametrize(
    "error",
    [StoreError("host:1", "gone"), StoreUnavailableError("/a", "full"), StepError("step", "key", "no JSON")],
)
def test_errors_pickle(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
