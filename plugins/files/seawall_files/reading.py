"""The text of a file, no more of it than fits a prompt."""

from functools import partial
from itertools import chain

from seawall import estimate_tokens
from seawall_files.decoding import decoded
from seawall_files.errors import UnsuitableFileError
from seawall_files.sources import DEFAULT_MODEL, Source, opened
from seawall_files.splitting import split


def read_text(
    source: Source,
    *,
    max_tokens: int | None = None,
    cut: bool = False,
    model: str = DEFAULT_MODEL,
    encoding: str | None = None,
) -> str:
    """Return the text of a file, line ends as they are.

    Args:
        source: A path, or a file open for reading bytes.
        max_tokens: Tokens of the text, estimated by `seawall.estimate_tokens`; no more is read of more.
        cut: Return the beginning of a larger file, up to the end of a paragraph, line, sentence or word, in
            place of an error.
        model: For which tokens are counted.
        encoding: Of the file; by default told by its bytes.

    Raises:
        UnsuitableFileError: It is no text, or has more tokens.
        OSError: It cannot be read.
    """
    if max_tokens is not None and max_tokens < 1:
        raise ValueError(f"max_tokens = {max_tokens!r}: 1 or more")
    with opened(source) as (file, name):
        pieces = decoded(file, name, encoding)
        if max_tokens is None:
            return "".join(pieces)
        count = partial(estimate_tokens, model=model)
        text = ""
        for piece in pieces:
            text += piece
            # fewer characters than tokens are nothing to count yet
            if len(text) > max_tokens and (tokens := count(text)) > max_tokens:
                break
        else:
            return text
    if not cut:
        raise UnsuitableFileError(
            name,
            f"has more than {max_tokens:,} tokens: its first {len(text):,} characters have about {tokens:,}; "
            "read it by `chunks`, or its beginning with `cut=True`",
        )
    return next(split(chain([text], pieces), max_tokens, 0, count)).text
