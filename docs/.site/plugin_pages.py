"""A hook of MkDocs: the README of each plugin is a page of the site, where links to it lead."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
FOLDER = "docs/reference/plugins"
PAGES = {
    readme.relative_to(ROOT).as_posix(): f"{FOLDER}/{readme.parent.name}.md"
    for pattern in ("plugins/*/README.md", "tests/third_party/*/README.md")
    for readme in sorted(ROOT.glob(pattern))
}
"""The path of each README in the repository, and that of its page."""
LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)([^)]*)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for readme, page in PAGES.items():
        text = (ROOT / readme).read_text(encoding="utf-8")
        files.append(File.generated(config, page.removeprefix("docs/"), content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to a README, and those of a README, to where they are in the site.

    What else the repository holds has no page: it is named, and no link.
    """
    del config, files
    here = f"docs/{page.file.src_uri}"
    written = next((readme for readme, made in PAGES.items() if made == here), here)

    def moved(link: re.Match[str]) -> str:
        text, path, rest = link.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(written), path))
        target = PAGES.get(target, target)
        if not target.startswith("docs/") and (ROOT / target).exists():
            return f"{text} (`{target}`)"
        return f"[{text}]({posixpath.relpath(target, posixpath.dirname(here))}{rest})"

    return LINK.sub(moved, markdown)
