"""The site builds without a warning, no link in it is dead, and a browser shows its pages and finds words."""

import os
import posixpath
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
NARROW, WIDE = 360, 1280


class Read(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.links |= {told[name] for name in ("href", "src") if told.get(name)}
        self.anchors |= {told[name] for name in ("id", "name") if told.get(name)}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def build(folder):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.html"))}


def dead_links(pages, folder):
    """Links to a page or an anchor that is not there; those to other sites are not followed."""
    read = {name: Read(path.read_text(encoding="utf-8")) for name, path in pages.items()}
    for name, page in read.items():
        for link in page.links:
            told = urlsplit(link)
            if told.scheme or told.netloc:
                continue
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), unquote(told.path)))[1:]
            target = f"{path}/index.html".lstrip("/") if (folder / path).is_dir() else path
            if not told.path:
                target = name
            anchors = read[target].anchors if target in read else {unquote(told.fragment)}
            if not (folder / target).is_file() or unquote(told.fragment) not in anchors:
                yield name, link


@contextmanager
def served(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_site_has_no_dead_link_every_page_loads_and_the_search_finds_words(page, tmp_path):
    folder = tmp_path / "site"
    pages = build(folder)
    assert "reference/plugins/backoff/index.html" in pages
    assert list(dead_links(pages, folder)) == []
    with served(folder) as address:
        page.show(width=NARROW)
        for name in pages:
            page.open(f"{address}/{name.removesuffix('index.html')}")
            heading = page.wait_for("document.querySelector('.md-content h1').innerText")
            # long code and tables scroll in their own boxes
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, name
            assert name == "404.html" or "404" not in heading
        page.show(width=WIDE)
        page.open(f"{address}/?q=retry-after")
        page.wait_for("document.querySelector('.md-search-result__link')")
        found = page.evaluate(
            "[...document.querySelectorAll('.md-search-result__link')].map(a => a.pathname)"
        )
    holding = {
        f"/{name}" for name, path in pages.items() if "retry-after" in path.read_text(encoding="utf-8")
    }
    assert holding
    assert {f"{path}index.html" for path in found} >= holding
    assert page.problems == []
    assert {url for url in page.requested if not url.startswith((address, "data:", "blob:"))} == set()
