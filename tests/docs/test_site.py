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
LEAST = 4.5
"""Contrast of text: level AA."""


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


READ = ("explanation/way-of-a-call/", "how-to/applications/", "reference/settings/")
"""Pages with what a page can have: a diagram, code, links, tables."""
CONTRASTS = """(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = numbers(color).slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const over = (color, below) => {
        const [r, g, b, a = 1] = numbers(color), under = numbers(below);
        return `rgb(${[r, g, b].map((v, i) => v * a + under[i] * (1 - a))})`;
    };
    const behind = (element) => {
        if (!element) return "rgb(255, 255, 255)";
        const own = getComputedStyle(element).backgroundColor;
        return numbers(own).length === 3 ? own : over(own, behind(element.parentElement));
    };
    const found = [];
    for (const element of document.querySelectorAll(".md-content article *")) {
        if (element.closest(".headerlink, .md-clipboard, .md-content__button, title, desc")) continue;
        const style = getComputedStyle(element), painted = [];
        const drawn = element instanceof SVGElement && element.closest("figure");
        if (drawn && style.stroke !== "none") painted.push(style.stroke);
        if ([...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            painted.push(drawn ? style.fill : style.color);
        for (const color of painted) {
            const ground = behind(element), a = light(over(color, ground)), b = light(ground);
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            found.push([ratio, `${element.tagName} ${element.className.baseVal ?? element.className} `
                + `${element.textContent.slice(0, 30)} ${color} on ${ground}`]);
        }
    }
    return found;
})()"""
"""The contrast of each text and each line that is drawn, by WCAG 2.2, and what it is."""


def check_contrasts(page, address, scheme):
    page.show(width=WIDE)
    backgrounds, weak = set(), []
    for name in READ:
        page.open(f"{address}/{name}")
        # as its button does; until the script that hears of it is there
        chosen = f"document.querySelector('input[name=__palette][data-md-color-scheme={scheme}]')"
        page.wait_for(
            f"({chosen}.click(), {chosen}.dispatchEvent(new Event('change')),"
            f" document.body.dataset.mdColorScheme === '{scheme}')"
        )
        found = page.evaluate(CONTRASTS)
        assert len(found) > 20
        weak += [f"{name}: {ratio:.1f} {said}" for ratio, said in sorted(found) if ratio < LEAST]
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert not weak, "\n".join(sorted(set(weak))[:40])
    return backgrounds


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
        assert check_contrasts(page, address, "default") != check_contrasts(page, address, "slate")
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
