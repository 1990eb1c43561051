"""What stands between a commit and a release, and the steps that a person would do by hand.

    python -m scripts.release check [TAG]     what would block a release of this commit (make release-check)
    python -m scripts.release prepare X.Y.Z   number, changelog and contract of a release, to be committed
    python -m scripts.release image NAME      give the image another name, everywhere (make image-name)
    python -m scripts.release facts           version and image, for a workflow
    python -m scripts.release notes           the newest section of the changelog

docs/releasing.md tells the order.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from scripts import contract, make_docs

ROOT: Final = Path(__file__).parents[1]
HOUSE: Final = ROOT / ".venv-house" / "bin"
NUMBER: Final = re.compile(r"\d+\.\d+\.\d+")
RELEASED_HEADING: Final = re.compile(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$", re.MULTILINE)
# Where a version stands, each with what comes before it.
VERSIONS: Final = {
    "pyproject.toml": [r'\nversion = "'],
    "metadata.yaml": [r"\n  dockerImageTag: "],
    "Dockerfile": [r'org\.opencontainers\.image\.version="', r'io\.airbyte\.version="'],
    "docs/kubernetes.md": [r"docker build -t [\w./-]+:"],
    "examples/terraform/main.tf": [r'"source_sage_version" \{\n  type    = string\n  default = "'],
}
# Where the image's name stands beside pyproject.toml.
# What is built here is called `source-sage`; these say what a registry would call it.
NAMED: Final = ("acceptance-test-config.yml", "metadata.yaml")
# Airbyte's own corner of Docker Hub: the name fits its registry, and nobody else can push there.
AIRBYTES: Final = "airbyte/"


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def image() -> str:
    """The image's name, without a tag."""
    return str(project()["tool"]["source-sage"]["image"])


def version() -> str:
    """The version that this commit is, or becomes."""
    return str(project()["project"]["version"])


def fragments(kind: str = "*") -> list[Path]:
    """Files of the changelog that no release has taken up."""
    return sorted((ROOT / "changes").glob(f"*.{kind}.md"))


# What would block


def blocking(tag: str = "") -> Iterator[tuple[str, str]]:
    """Everything that is looked at, with what is wrong with it; an empty text where nothing is."""
    checks: dict[str, Callable[[], str]] = {
        "nothing is uncommitted": lambda: _git("status", "--porcelain"),
        "the tag is this version's": lambda: _wrong_tag(tag),
        "the version is the same everywhere": _versions_apart,
        "the image has one name": _names_apart,
        "the image's name is one that we can push to": lambda: _airbytes(image()),
        "the package says where its source is": lambda: _no_address(project()["project"]),
        "the changelog is of this version": _changelog,
        "what breaks a connection is said and numbered so": _breaking,
        "contract/ is of this code": _contract,
        "the tables of the documentation are of this code": _docs,
        "everything that is fetched has a hash": _unhashed,
        "every action is pinned by digest": _unpinned,
        "workflows and fragments are sound": _house,
    }
    for name, check in checks.items():
        yield name, check()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607


def _wrong_tag(tag: str) -> str:
    if tag and tag != f"v{version()}":
        return f"the tag is {tag}, the version {version()}"
    if not tag and _git("tag", "--list", f"v{version()}"):
        return f"v{version()} is there already: python -m scripts.release prepare X.Y.Z"
    return ""


def stated(pattern: str, text: str) -> list[str]:
    """The versions that stand behind a pattern."""
    return re.findall(rf"{pattern}({NUMBER.pattern})", text)


def _versions_apart() -> str:
    wrong = []
    for name, patterns in VERSIONS.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for pattern in patterns:
            found = stated(pattern, text)
            if set(found) != {version()}:
                wrong.append(f"{name}: {', '.join(found) or 'none'}")
    return "; ".join(wrong)


def names_in(text: str) -> list[str]:
    """Every name of the image in a text, with the registry before it."""
    return re.findall(r"(?<![\w./-])(?:[\w.-]+\.[\w.-]+/)?[\w-]+/source-sage(?![\w/.-]*[\w/-])", text)


def _names_apart() -> str:
    wrong = []
    for name in NAMED:
        found = set(names_in((ROOT / name).read_text(encoding="utf-8")))
        if found != {image()}:
            wrong.append(f"{name}: {', '.join(sorted(found)) or 'none'}")
    return "; ".join(wrong)


def _airbytes(name: str) -> str:
    if name.startswith(AIRBYTES):
        return f"{name} is Airbyte's: make image-name IMAGE=ghcr.io/OWNER/source-sage"
    return ""


def _no_address(facts: dict[str, Any]) -> str:
    return "" if facts.get("urls") else "no [project.urls] in pyproject.toml: put the repository's address there"


def _changelog() -> str:
    newest = RELEASED_HEADING.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if fragments():
        return f"{len(fragments())} changes are in no release: python -m scripts.release prepare X.Y.Z"
    if newest is None or newest[1] != version():
        return f"the newest section is {newest[1] if newest else 'none'}"
    return ""


def must_be_breaking(before: str, after: str) -> bool:
    """Whether the step between two versions is one that may break connections: the first number, 0.x: the second."""
    old, new = ([int(one) for one in number.split(".")] for number in (before, after))
    return new[0] > old[0] or (old[0] == new[0] == 0 and new[1] > old[1])


def unsaid(broken: list[str], released: str, next_: str, said: bool) -> str:
    """What is missing for changes that break connections.

    Args:
        broken: the changes.
        released, next_: the versions before and after.
        said: whether the changelog has a change of the kind `breaking`.
    """
    if not (broken or said):
        return ""
    wrong = []
    if broken and not said:
        wrong.append(f"no changes/*.breaking.md says: {'; '.join(broken)}")
    if next_ != released and not must_be_breaking(released, next_):
        wrong.append(f"{next_} is no number for a breaking change after {released}")
    return "; ".join(wrong)


def _breaking() -> str:
    """Between the last release and this commit. A prepared release is its own last release: prepare has looked."""
    released = contract.kept(contract.RELEASED)
    newest = RELEASED_HEADING.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if released is None or newest is None:
        return ""
    said = bool(fragments("breaking"))
    return unsaid(contract.breaking(released, contract.now()), newest[1], version(), said)


def _contract() -> str:
    texts = contract.texts(contract.now())
    old = [name for name, text in texts.items() if (contract.CONTRACT / f"{name}.json").read_text("utf-8") != text]
    return f"old: {', '.join(old)}; make snapshots" if old else ""


def _docs() -> str:
    old = [path.name for path, text in make_docs.documents().items() if path.read_text(encoding="utf-8") != text]
    return f"old: {', '.join(old)}; make docs" if old else ""


def unhashed(lock: str) -> list[str]:
    """The packages of a lock that any file of that version would do for."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    return [entry.split()[0] for entry in entries if entry and entry[0] != "#" and "--hash=sha256:" not in entry]


def _unhashed() -> str:
    wrong = {path.name: unhashed(path.read_text(encoding="utf-8")) for path in (ROOT / "requirements").rglob("*.txt")}
    base = re.search(r"^ARG BASE_IMAGE=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    if base is None or "@sha256:" not in base[1]:
        wrong["Dockerfile"] = ["BASE_IMAGE"]
    return "; ".join(f"{name}: {', '.join(ones)}" for name, ones in wrong.items() if ones)


def unpinned(workflow: str) -> list[str]:
    """The actions of a workflow that are called by a name which may move."""
    return [one for one in re.findall(r"uses: (\S+)", workflow) if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)]


def _unpinned() -> str:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    return ", ".join(one for path in files for one in unpinned(path.read_text(encoding="utf-8")))


def _house() -> str:
    done = subprocess.run(["make", "house"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return "" if done.returncode == 0 else f"make house: {(done.stdout + done.stderr).strip()[-300:]}"


def check(tag: str = "") -> int:
    """Print each check; 1 if one would block."""
    blocks = 0
    for name, wrong in blocking(tag):
        sys.stdout.write(f"BLOCKS  {name}: {wrong}\n" if wrong else f"ok      {name}\n")
        blocks += bool(wrong)
    sys.stdout.write(f"{blocks} things would block a release of {version()}.\n" if blocks else "Nothing blocks.\n")
    return 1 if blocks else 0


# What a person would do by hand


def prepare(number: str) -> int:
    """Give this commit's successor its number, its section of the changelog and its contract."""
    if not NUMBER.fullmatch(number):
        raise SystemExit(f"A version is three numbers, X.Y.Z; this is {number}.")
    released, present = contract.kept(contract.RELEASED), contract.now()
    newest = RELEASED_HEADING.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if released and newest:
        said = bool(fragments("breaking"))
        if wrong := unsaid(contract.breaking(released, present), newest[1], number, said):
            raise SystemExit(wrong)
    for name, patterns in VERSIONS.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for pattern in patterns:
            text = re.sub(rf"({pattern}){NUMBER.pattern}", rf"\g<1>{number}", text)
        path.write_text(text, encoding="utf-8")
    _tell_users(number)
    towncrier = [str(HOUSE / "towncrier"), "build", "--yes", "--version", number]
    subprocess.run(towncrier, cwd=ROOT, check=True)
    contract.write(present)
    contract.write(present, contract.RELEASED)
    sys.stdout.write(f"{number} is prepared. Read git diff, then: git commit, git tag -s v{number}, git push --tags\n")
    return 0


def _tell_users(number: str) -> None:
    """A row in the user documentation's changelog, in place of one of the same number."""
    path = ROOT / "docs" / "sage.md"
    text = re.sub(rf"^\| {re.escape(number)} \|.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    head, rest = text.split("## Changelog", 1)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    row = f"| {number} | {today} |  | {_subject()} |\n"
    rest = re.sub(r"^\|:--.*\n", lambda line: line[0] + row, rest, count=1, flags=re.MULTILINE)
    path.write_text(f"{head}## Changelog{rest}", encoding="utf-8")


def _subject() -> str:
    """A release in one line: how much of which kind."""
    kinds = {"breaking": "breaking", "security": "security", "added": "new", "changed": "changed", "fixed": "fixed"}
    counted = {told: len(fragments(kind)) for kind, told in kinds.items()}
    return ", ".join(f"{count} {told}" for told, count in counted.items() if count) or "Nothing that users notice"


def rename(name: str) -> int:
    """Give the image another name, wherever it stands."""
    if names_in(name) != [name]:
        raise SystemExit(f"An image's name is REGISTRY/OWNER/source-sage; this is {name}.")
    old = image()
    for path in (ROOT / one for one in ("pyproject.toml", *NAMED)):
        path.write_text(path.read_text(encoding="utf-8").replace(old, name), encoding="utf-8")
    return 0


def facts() -> int:
    """Lines for a workflow's outputs."""
    sys.stdout.write(f"version={version()}\nimage={image()}\n")
    return 0


def notes() -> int:
    """The newest section of the changelog, without its heading."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## .*$", text, flags=re.MULTILINE)
    sys.stdout.write(f"{sections[1].strip() if len(sections) > 1 else ''}\n")
    return 0


def main(arguments: list[str]) -> int:
    """Do what is asked."""
    known: dict[str, Callable[..., int]] = {
        "check": check,
        "prepare": prepare,
        "image": rename,
        "facts": facts,
        "notes": notes,
    }
    if not arguments or arguments[0] not in known:
        raise SystemExit(__doc__)
    return known[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
