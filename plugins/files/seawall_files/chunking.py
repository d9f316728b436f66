"""A file of any size in parts that fit a prompt."""

from collections.abc import Iterator
from functools import partial

from seawall import estimate_tokens
from seawall_files.decoding import decoded
from seawall_files.sources import DEFAULT_MODEL, Source, opened
from seawall_files.splitting import TextChunk, split


def chunks(
    source: Source,
    *,
    tokens: int,
    overlap: int = 0,
    model: str = DEFAULT_MODEL,
    encoding: str | None = None,
) -> Iterator[TextChunk]:
    """Yield the text of a file in chunks of at most `tokens` tokens; one is in memory, not the file.

    Chunks end where a paragraph does, else a line, a sentence, a word. Together they are the whole text, line
    ends and white space included. Tokens are estimated by `seawall.estimate_tokens`, of long chunks by a
    sample, so that a few may hold some per cent more. Blocks: in an event loop, call
    `asyncio.to_thread(next, iterator, None)`.

    Args:
        source: A path, or a file open for reading bytes.
        tokens: Of a chunk; 1 or more.
        overlap: Tokens with which a chunk repeats the end of the one before, at most; up to half of `tokens`.
        model: For which tokens are counted.
        encoding: Of the file; by default told by its bytes.

    Raises:
        UnsuitableFileError: It is no text.
        OSError: It cannot be read.
    """
    if tokens < 1:
        raise ValueError(f"tokens = {tokens!r}: 1 or more")
    if not 0 <= overlap <= tokens // 2:
        raise ValueError(f"overlap = {overlap!r}: 0 up to half of tokens = {tokens!r}")
    return _chunks(source, tokens, overlap, model, encoding)


def _chunks(
    source: Source, tokens: int, overlap: int, model: str, encoding: str | None
) -> Iterator[TextChunk]:
    with opened(source) as (file, name):
        pieces = decoded(file, name, encoding)
        yield from split(pieces, tokens, overlap, partial(estimate_tokens, model=model))
