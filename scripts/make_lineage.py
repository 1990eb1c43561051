"""Writes into docs/statements.md how the models of the dbt package follow from each other, and from which streams.

    python scripts/make_lineage.py          # `make docs` does it

Read from the models' own `ref` calls, so that it needs no dbt.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dbt"
DOCUMENT = ROOT / "docs" / "statements.md"
BEGIN, END = "<!-- made by make docs: lineage -->\n", "<!-- end of lineage -->"
STAGING, MARTS = "stg_sage__", "marts"
# Jinja loops over streams: `ref('stg_sage__' ~ stream)` stands for all of the file's lists that end in a stream's name.
LOOPED = "ref('stg_sage__' ~"


def parents(package: Path) -> dict[str, set[str]]:
    """The models that each model of the intermediate and mart layers asks, by name."""
    staged = {path.stem for path in (package / "models" / "staging").glob("*.sql")}
    macros = {path.stem: path.read_text(encoding="utf-8") for path in (package / "macros").glob("*.sql")}
    found = {}
    for path in sorted([*package.glob("models/intermediate/*.sql"), *package.glob("models/marts/*.sql")]):
        text = path.read_text(encoding="utf-8")
        if "sage_accounting.aging(" in text:
            text += macros["aging"]
        named = set(re.findall(r"ref\('(\w+)'\)", text))
        if LOOPED in text:
            named |= {name for name in staged if f"'{name.removeprefix(STAGING)}'" in text}
        found[path.stem] = named
    return found


def lineage(package: Path) -> str:
    """The picture and the table."""
    marts = {path.stem for path in (package / "models" / MARTS).glob("*.sql")}
    asked = parents(package)
    lines = ["```mermaid", "flowchart LR"]
    for name, others in asked.items():
        if name in marts:
            lines.append(f"  {name}:::mart")
        lines += [f"  {other} --> {name}" for other in sorted(others) if not other.startswith(STAGING)]
    lines += ["  classDef mart fill:#dcecff,stroke:#2f6db5", "```", "", "| Model | From the streams |", "|:--|:--|"]
    for name in sorted(marts):
        streams = sorted(one.removeprefix(STAGING) for one in _all(name, asked) if one.startswith(STAGING))
        lines.append(f"| `{name}` | {', '.join(f'`{stream}`' for stream in streams)} |")
    return "\n".join(lines) + "\n"


def _all(name: str, asked: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in asked.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def main() -> int:
    """Write it; `--check` only tells whether it is up to date."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    fresh = before + BEGIN + lineage(PACKAGE) + END + rest.split(END, 1)[1]
    if "--check" in sys.argv:
        return int(fresh != text)
    DOCUMENT.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
