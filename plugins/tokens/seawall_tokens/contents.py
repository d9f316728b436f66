"""What of a request is counted: its texts, tools, images and pages, and how many parts of each kind."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from seawall_tokens.documents import PAGE_IMAGE, PAGE_TEXT, page_text, pages
from seawall_tokens.families import Family, family
from seawall_tokens.images import image_limit, image_size, image_tokens

_DEPTH: Final = 8
"""How deep blocks may lie in blocks."""
_END: Final = 2000
"""Characters at each end of a text by which it is known again."""
_IMAGE_BLOCK: Final = 3
"""Tokens around an image."""
_DOCUMENT: Final = 36
"""Tokens around a document that is text; from the recordings."""
_CITATIONS: Final = 570
"""Tokens that asking for citations costs; from the recordings."""
_TASK_BUDGET: Final = 38
"""Tokens that tell the model its budget; from one recording."""
_UNREAD: Final = frozenset({"encrypted_content", "encrypted_index", "signature", "data", "cache_control"})
"""Keys of blocks whose value the model does not read as it stands."""
_DEFINED_TOOLS: Final = {"bash": 245, "text_editor": 700, "computer": 735}
"""Tokens of a tool that the API defines, by how its type begins (documentation, the page of each tool)."""
_OTHER_TOOL: Final = 600
_REMOTE: Final = ("mcp_servers", "container", "context_management")
"""Parameters by which the API itself changes what the model reads."""


@dataclass(slots=True)
class Contents:
    """The parts of one request."""

    family: Family
    texts: list[str] = field(default_factory=list)
    system_texts: int = 0
    """How many of the texts, at their beginning, are the system prompt."""
    descriptions: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)
    """Names and schemas of the custom tools."""
    tool_choice: str = ""
    format: str = ""
    """The schema that the answer shall have."""
    messages: int = 0
    tool_blocks: int = 0
    """`tool_use` and `tool_result`."""
    has_system: bool = False
    has_citations: bool = False
    """A document asks for them."""
    tokens: float = 0.0
    """Of what is no text: images, pages, tools that the API defines."""
    most_tokens: float = 0.0
    """The same, at most."""
    is_guess: bool = False
    """Something in it is nowhere in the request, or of an unknown kind."""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Contents":
        """Return the contents of a request body, whatever is in it."""
        contents = cls(family(str(params.get("model", ""))))
        contents.is_guess = any(params.get(name) for name in _REMOTE)
        contents.has_system = bool(params.get("system"))
        contents._add(params.get("system"))
        contents.system_texts = len(contents.texts)
        for message in _mappings(params.get("messages")):
            contents.messages += 1
            contents._add(message.get("content"))
        for tool in _mappings(params.get("tools")):
            contents._add_tool(tool)
        contents._add_format(params)
        choice = params.get("tool_choice")
        contents.tool_choice = str(choice.get("type", "")) if isinstance(choice, Mapping) else ""
        contents._add_tokens(_CITATIONS * contents.has_citations, _CITATIONS * contents.has_citations)
        return contents

    @property
    def text(self) -> str:
        """All texts, as they are counted."""
        return "\n".join(self.texts)

    @property
    def prompt(self) -> str:
        """A digest of what requests of one prompt share: system prompt, tools, output format."""
        digest = hashlib.blake2b(digest_size=8)
        for text in (
            *self.texts[: self.system_texts],
            self.tool_choice,
            *self.schemas,
            *self.descriptions,
            self.format,
        ):
            ends = text if len(text) <= 2 * _END else text[:_END] + text[-_END:]
            digest.update(f"{len(text)}:{ends}".encode(errors="surrogatepass"))
        return digest.hexdigest()

    def _add(self, content: object, depth: int = 0) -> None:
        if isinstance(content, str):
            self.texts.append(content)
            return
        for block in _mappings(content):
            if depth < _DEPTH:
                self._add_block(block, depth)
            else:
                self._add_unknown(block)

    def _add_block(self, block: Mapping[str, Any], depth: int) -> None:
        match block.get("type"):
            case "text":
                self._add(_string(block.get("text")))
            case "image":
                self._add_image(block.get("source"))
            case "document":
                self._add_document(block, depth)
            case "tool_use":
                self.tool_blocks += 1
                self.texts += _string(block.get("name")), _json(block.get("input"))
            case "tool_result":
                self.tool_blocks += 1
                self._add(block.get("content"), depth + 1)
            case "thinking" | "redacted_thinking":
                # whether the model reads it again depends on the model and on what follows
                self.is_guess = True
                self._add(_string(block.get("thinking")))
            case "search_result":
                self.texts += _string(block.get("title")), _string(block.get("source"))
                self._note_citations(block)
                self._add(block.get("content"), depth + 1)
            case _:
                self._add_unknown(block)

    def _add_unknown(self, block: Mapping[str, Any]) -> None:
        self.is_guess = True
        self.texts.append(_json({key: value for key, value in block.items() if key not in _UNREAD}))

    def _add_image(self, source: object) -> None:
        limit = image_limit(self.family)
        data = source.get("data") if isinstance(source, Mapping) else None
        size = image_size(data) if isinstance(data, str) else None
        tokens = image_tokens(*size, limit) if size else limit.tokens
        self.is_guess |= size is None
        self._add_tokens(_IMAGE_BLOCK + tokens, _IMAGE_BLOCK + tokens)

    def _add_document(self, block: Mapping[str, Any], depth: int) -> None:
        self.texts += _string(block.get("title")), _string(block.get("context"))
        source = block.get("source")
        source = source if isinstance(source, Mapping) else {}
        data = source.get("data")
        self._note_citations(block)
        if source.get("type") == "content":
            self._add(source.get("content"), depth + 1)
            self._add_tokens(_DOCUMENT, _DOCUMENT)
        elif source.get("type") == "text":
            self._add(_string(data))
            self._add_tokens(_DOCUMENT, _DOCUMENT)
        else:
            self._add_pages(data if isinstance(data, str) else "")

    def _add_pages(self, data: str) -> None:
        number, is_known = pages(data)
        self.is_guess = True  # the text of a page is not counted
        text = page_text(data, number)
        most = number if is_known else 2 * number
        self._add_tokens(number * (PAGE_IMAGE + text), most * (PAGE_IMAGE + 2 * PAGE_TEXT))

    def _note_citations(self, block: Mapping[str, Any]) -> None:
        citations = block.get("citations")
        self.has_citations |= isinstance(citations, Mapping) and bool(citations.get("enabled"))

    def _add_tool(self, tool: Mapping[str, Any]) -> None:
        kind = tool.get("type")
        if kind in (None, "custom"):
            self.descriptions.append(_string(tool.get("description")))
            self.schemas.append(_json({"name": tool.get("name"), "input_schema": tool.get("input_schema")}))
            if examples := tool.get("input_examples"):
                self.schemas.append(_json(examples))
            # a deferred tool is read only once a search finds it
            self.is_guess |= bool(tool.get("defer_loading"))
            return
        self.is_guess = True
        named = (tokens for name, tokens in _DEFINED_TOOLS.items() if str(kind).startswith(name))
        tokens = next(named, _OTHER_TOOL)
        self._add_tokens(tokens, 2 * tokens)

    def _add_format(self, params: Mapping[str, Any]) -> None:
        output = params.get("output_config")
        output = output if isinstance(output, Mapping) else {}
        if output.get("task_budget"):
            self._add_tokens(_TASK_BUDGET, _TASK_BUDGET)
        asked = output.get("format")
        asked = asked or params.get("output_format")
        if isinstance(asked, Mapping):
            self.format = _json(asked.get("schema", asked))

    def _add_tokens(self, tokens: float, most: float) -> None:
        self.tokens += tokens
        self.most_tokens += most


def _mappings(items: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(items, list | tuple):
        yield from (item for item in items if isinstance(item, Mapping))


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(value: object) -> str:
    """Return compact JSON; nothing for what cannot be said in it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        return ""
