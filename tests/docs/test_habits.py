"""What contributors are told is there, and the files that services read are well formed."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TOLD = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_paths_that_contributors_are_told_exist():
    paths = set(re.findall(r"(?<![\w/.-])(?:core|docs|tests|benchmarks|\.ci|changelog\.d)/[\w./-]*\w", TOLD))
    assert len(paths) > 5
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_a_changelog_can_be_drafted_from_the_fragments():
    draft = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    done = subprocess.run(draft, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9" in done.stdout


def test_the_workflow_runs_the_gate_and_hooks_run_what_the_gate_runs():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert any(".ci/run" in step.get("run", "") for step in workflow["jobs"]["gate"]["steps"])
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    gate = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert all(hook["entry"].removesuffix(" --fix") in gate for hook in local["hooks"])


def test_issue_templates_have_a_name_and_say_what_for():
    for template in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.md"):
        _, head, body = template.read_text(encoding="utf-8").split("---\n")
        assert set(yaml.safe_load(head)) == {"name", "about"}
        assert body.strip()


def test_every_package_says_that_it_is_typed():
    packages = [path.parent for path in ROOT.glob("plugins/*/seawall_*/__init__.py")]
    assert [
        package for package in [ROOT / "core/seawall", *packages] if not (package / "py.typed").exists()
    ] == []
