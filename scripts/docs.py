"""Builds the documentation as pages: the repository's own Markdown as it lies, and reference pages made from the code.

.venv/bin/python scripts/docs.py            build them into .cache/site
.venv/bin/python scripts/docs.py --serve    ... and show them at an address of this machine, until Ctrl-C
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / ".cache" / "docs"
SITE = ROOT / ".cache" / "site"
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")

NAV: dict[str, list[str]] = {
    "Start": ["README.md", "docs/tutorial/*.md"],
    "How to": ["docs/how-to/*.md", "docs/lane.md", "docs/page.md", "config/mosquitto/README.md"],
    "Drivers": ["drivers/*/README.md"],
    "Reference": ["reference/*.md", "docs/contract/README.md", "config/schema/README.md"],
    "For developers": ["benchmarks/README.md", "simulators/*/README.md"],
    "Explanation": ["docs/*.md"],
    "Decisions": ["docs/decisions/*.md"],
    "Changes": ["CHANGELOG.md"],
}
"""The chapters, and what is in each: a page stands in the first that names it."""


def stage() -> list[str]:
    """Lay out every page as it lies in the repository, so that its links hold, and return the pages' paths."""
    shutil.rmtree(PAGES, ignore_errors=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    written = [path for path in found.stdout.splitlines() if not path.startswith(("tests/", "inference/", "."))]
    pages = {path: (ROOT / path).read_text() for path in written}
    pages |= {f"reference/{name}": text for name, text in reference.pages().items()}
    for path, text in list(pages.items()):
        pages[path] = _followed(path, text, pages)
    for path, text in pages.items():
        (PAGES / path).parent.mkdir(parents=True, exist_ok=True)
        (PAGES / path).write_text(text)
    return list(pages)


def _followed(page: str, text: str, pages: dict[str, str]) -> str:
    """Bring along what a page links to: a file as it is, a folder as the list of its files."""

    def follow(match: re.Match[str]) -> str:
        target = ((ROOT / page).parent / match[1]).resolve()
        if "://" in match[1] or match[1].startswith("mailto:") or not target.exists():
            return match[0]  # what is not there, the strict build tells
        inside = target.relative_to(ROOT).as_posix()
        if inside in pages:
            return match[0]
        place = PAGES / inside
        if target.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            files = sorted(each for each in target.rglob("*") if each.is_file())
            _copy(files)
            rows = [f"- [{each.relative_to(target)}]({each.relative_to(target)})" for each in files]
            (place / "index.md").write_text("\n".join([f"# {inside}", "", *rows, ""]))
            return f"]({match[1].rstrip('/')}/index.md)"
        _copy([target])
        return match[0]

    return LINK.sub(follow, text)


def _copy(files: list[Path]) -> None:
    for each in files:
        place = PAGES / each.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each, place)


def nav(pages: list[str]) -> list[dict[str, list[str]]]:
    """Return the chapters with their pages; every page stands in one."""
    left, chapters = sorted(pages), []
    for chapter, patterns in NAV.items():
        inside = []
        for pattern in patterns:
            found = [path for path in left if Path(path).match(pattern) and path.count("/") == pattern.count("/")]
            found.sort(key=lambda path: (not path.endswith("README.md"), path))
            inside += found
            left = [path for path in left if path not in found]
        if inside:
            chapters.append({chapter: inside})
    if left:
        raise SystemExit(f"no chapter has {', '.join(left)}: see NAV in scripts/docs.py")
    return chapters


def build() -> None:
    """Write the site; a broken link, or a page that stands nowhere, raises SystemExit with MkDocs' own words."""
    chapters = nav(stage())
    settings = PAGES.with_suffix(".yml")
    # JSON is YAML: what is computed stands beside what mkdocs.yml says.
    given = {"INHERIT": str(ROOT / "mkdocs.yml"), "docs_dir": str(PAGES), "site_dir": str(SITE), "nav": chapters}
    settings.write_text(json.dumps(given))
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(settings)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "ERROR", " ", "Aborted"))]
        raise SystemExit("\n".join([*told, f"mkdocs ended with {done.returncode}"]))


def main() -> None:
    """Build, and with --serve show."""
    build()
    sys.stdout.write(f"{SITE.relative_to(ROOT)}/index.html\n")
    if "--serve" in sys.argv[1:]:
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            sys.stdout.write(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C\n")
            sys.stdout.flush()
            server.serve_forever()


if __name__ == "__main__":
    main()
