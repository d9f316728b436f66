"""The browser of the tests sees what goes wrong on a page, and what the page asks for."""

from pathlib import Path

import pytest

from browser import BrowserError

PAGE = """data:text/html,<title>before</title><input><button>second</button><script>
console.error("said"); setTimeout(() => { document.title = "after"; throw new Error("thrown") }, 1)
</script>"""


def test_a_page_is_waited_for_typed_into_emulated_and_its_errors_are_found(page, tmp_path: Path):
    page.show(width=400, height=300, scheme="dark")
    page.open(PAGE)
    assert page.wait_for("document.title === 'after'") is True
    assert [problem.splitlines()[0] for problem in page.problems] == ["said", "Error: thrown"]
    assert [url[:15] for url in page.requested] == ["data:text/html,"]
    page.press("Tab")
    page.press("h")
    assert page.evaluate("document.activeElement.value") == "h"
    page.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == page.text("button") == "second"
    assert page.evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]") == [400, True]
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BrowserError, match="not so in time"):
        page.wait_for("false", timeout=0.01)
