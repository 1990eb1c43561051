"""Make the documentation a website: `make site`, into `build/site`.

The pages are those that people read in the repository, at the same paths, so that every link between them holds as it
is. What a page links to and is no page (SQL, Terraform, the manifest) is put beside it. mkdocs is strict: a dead link
or anchor fails.

Diagrams are drawn in the reader's browser by mermaid, which is served with the site: nothing is fetched from elsewhere.
Its package comes from npm, by the hash below.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "build" / "pages"
SITE: Final = ROOT / "build" / "site"
MERMAID: Final = "11.16.0"
INTEGRITY: Final = "sha512-Zvm3kbstgdpvIJPPItlL7fppIZ3kibvc1oZIGxdvk9t6UFz6flv+Jw7FtRGKwfcI8OckmH04LqG6LlS6X4B1pA=="
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def main() -> int:
    """Put the pages together and build; mkdocs' exit code."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in pages():
        _place(name)
    for name in sorted({linked for page in pages() for linked in linked_files(page)}):
        _place(name)
    script = PAGES / "assets" / "mermaid.min.js"
    script.parent.mkdir(parents=True)
    script.write_bytes(_mermaid())
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--site-dir", str(SITE)]
    return subprocess.run(mkdocs, cwd=ROOT, check=False).returncode


def pages() -> list[str]:
    """The pages, by their paths in the repository."""
    return [
        path.relative_to(ROOT).as_posix()
        for pattern in ("README.md", "AGENTS.md", "CHANGELOG.md", "SECURITY.md", "changes/README.md", "docs/*.md")
        for path in sorted(ROOT.glob(pattern))
    ]


def linked_files(page: str) -> set[str]:
    """What a page links to in the repository beside pages."""
    found = set()
    for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:|#", link):
            continue
        # By the name that the page gives: one of these files is a link to another.
        target = Path(os.path.normpath((ROOT / page).parent / unquote(link.partition("#")[0])))
        if target.is_relative_to(ROOT) and target.is_file() and target.suffix != ".md":
            found.add(target.relative_to(ROOT).as_posix())
    return found


def as_mkdocs_reads_it(text: str) -> str:
    """A page without the tags that only Airbyte's own website knows, and with what can be unfolded read as Markdown."""
    return re.sub(r"</?(FieldAnchor|HideInUI)[^>]*>", "", text).replace("<details>", '<details markdown="1">')


def _place(name: str) -> None:
    source, target = ROOT / name, PAGES / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".md":
        target.write_text(as_mkdocs_reads_it(source.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        shutil.copyfile(source, target)


def _mermaid() -> bytes:
    """Mermaid's one file for browsers, out of its package."""
    with tempfile.TemporaryDirectory() as folder:
        npm = ["npm", "pack", "--silent", f"mermaid@{MERMAID}"]
        subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (package,) = Path(folder).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            raise SystemExit(f"mermaid {MERMAID} is not the one that was locked: {found}")
        with tarfile.open(package) as archive:
            member = archive.extractfile("package/dist/mermaid.min.js")
            assert member is not None
            return member.read()


if __name__ == "__main__":
    raise SystemExit(main())
