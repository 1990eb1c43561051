"""What users' connections rest on: the form, the catalog and the state, in a form in which a change is a line.

    python -m scripts.contract        (make snapshots)

writes `contract/spec.json`, `catalog.json` and `state.json`. `contract/released/` holds the same of the last release;
`breaking` says what of it no longer holds. docs/versions.md says in words what counts.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.models import ConnectorSpecificationSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.lists import state
from source_sage.source import SourceSage
from source_sage.streams import every_stream

ROOT: Final = Path(__file__).parents[1]
CONTRACT: Final = ROOT / "contract"
RELEASED: Final = CONTRACT / "released"
NAMES: Final = ("spec", "catalog", "state")
HOST: Final = "api.accounting.sage.com"

# Every shape of state that users may have stored. One that is written otherwise from now on is added, not changed: all
# of them must be understood as long as no breaking version comes.
STATES: Final[dict[str, dict[str, Any]]] = {
    "read to its end": {
        "version": 2,
        "endpoint": HOST,
        "businesses": {"b1": {"watermark": "2026-11-23T10:00:00Z", "start": "2024-01-01", "end": "2026-12-31"}},
    },
    "a first read under way": {
        "version": 2,
        "endpoint": HOST,
        "businesses": {
            "b1": {
                "whole": {
                    "began": "2026-11-23T10:00:00Z",
                    "start": "2020-01-01",
                    "done": [["2020-01-01", "2021-03-31"], [None, "2019-12-31"]],
                }
            }
        },
    },
    "wider dates under way": {
        "version": 2,
        "endpoint": HOST,
        "businesses": {
            "b1": {
                "watermark": "2026-11-23T10:00:00Z",
                "start": "2024-01-01",
                "whole": {"began": "2026-11-24T10:00:00Z", "start": "2020-01-01", "end": "2023-12-31"},
            }
        },
    },
    "changes read by dates": {
        "version": 2,
        "endpoint": HOST,
        "businesses": {
            "b1": {
                "watermark": "2026-11-23T10:00:00Z",
                "whole": {"began": "2026-11-24T10:00:00Z", "of_changes": True, "done": [["2024-01-01", None]]},
            }
        },
    },
}

Contract = dict[str, dict[str, Any]]


def now() -> Contract:
    """The contract of the code that is here."""
    return {"spec": _spec(), "catalog": _catalog(), "state": _state()}


def kept(folder: Path = CONTRACT) -> Contract | None:
    """What was written down in a folder; None if nothing was."""
    files = {name: folder / f"{name}.json" for name in NAMES}
    if not all(path.is_file() for path in files.values()):
        return None
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items()}


def write(contract: Contract, folder: Path = CONTRACT) -> None:
    """Write a contract down."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts(contract).items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def texts(contract: Contract) -> dict[str, str]:
    """Its files."""
    return {name: json.dumps(contract[name], indent=1, ensure_ascii=False) + "\n" for name in NAMES}


def breaking(before: Contract, after: Contract) -> list[str]:
    """What a connection of before loses or must change, a sentence each."""
    return [
        *_breaking_catalog(before["catalog"], after["catalog"]),
        *_breaking_spec(before["spec"], after["spec"]),
        *_breaking_state(before["state"]),
    ]


def _spec() -> dict[str, Any]:
    spec = ConnectorSpecificationSerializer.dump(SourceSage().spec(logging.getLogger("contract")))
    form = spec["connectionSpecification"]
    told = {"title", "description", "order", "group", "examples", "pattern_descriptor", "always_show"}
    fields = {
        name: {key: value for key, value in sorted(field.items()) if key not in told}
        for name, field in sorted(form["properties"].items())
    }
    oauth = spec["advanced_auth"]["oauth_config_specification"]
    paths = {
        f"{part}.{name}": field["path_in_connector_config"]
        for part in ("complete_oauth_output_specification", "complete_oauth_server_output_specification")
        for name, field in sorted(oauth[part]["properties"].items())
    }
    return {"required": sorted(form["required"]), "fields": fields, "oauth": paths}


def _catalog() -> dict[str, Any]:
    found = {}
    for name, facts in sorted(every_stream().items()):
        stream = facts.as_airbyte_stream()
        found[name] = {
            "key": [".".join(path) for path in stream.source_defined_primary_key or []],
            "cursor": ".".join(stream.default_cursor_field or []),
            "modes": sorted(mode.value for mode in stream.supported_sync_modes or []),
            "fields": dict(sorted(_fields("", stream.json_schema))),
        }
    return found


def _fields(place: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field's place and type; whether it may be null is left out, since all but the keys may."""
    for name, field in schema.get("properties", {}).items():
        yield f"{place}{name}", _kind(field)
        yield from _fields(f"{place}{name}.", field)
        if items := field.get("items"):
            yield f"{place}{name}[]", _kind(items)
            yield from _fields(f"{place}{name}[].", items)


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type with its format."""
    declared = field.get("type", [])
    kinds = sorted({declared} if isinstance(declared, str) else set(declared) - {"null"})
    return " ".join([" or ".join(kinds), *(str(field[mark]) for mark in ("format", "airbyte_type") if mark in field)])


def _state() -> dict[str, Any]:
    return {"version": state.VERSION, "form": _form(state.Checkpoint.model_json_schema()), "examples": STATES}


def _form(schema: Any) -> Any:
    """A JSON Schema without the words in it."""
    if isinstance(schema, dict):
        return {key: _form(value) for key, value in schema.items() if key not in ("title", "description")}
    return [_form(one) for one in schema] if isinstance(schema, list) else schema


def _breaking_catalog(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, was in before.items():
        if name not in after:
            yield f"the stream {name} is gone"
            continue
        now_ = after[name]
        if was["key"] != now_["key"]:
            yield f"the key of {name} is {now_['key']} and was {was['key']}"
        if was["cursor"] != now_["cursor"]:
            yield f"the cursor of {name} is {now_['cursor'] or 'none'} and was {was['cursor'] or 'none'}"
        for mode in sorted(set(was["modes"]) - set(now_["modes"])):
            yield f"{name} can no longer be read {mode}"
        for field, kind in was["fields"].items():
            if field not in now_["fields"]:
                yield f"the field {name}.{field} is gone"
            elif kind != now_["fields"][field]:
                yield f"the field {name}.{field} is {now_['fields'][field]} and was {kind}"


def _breaking_spec(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(set(after["required"]) - set(before["required"])):
        yield f"the form's {name} is required now"
    for name, was in before["fields"].items():
        now_ = after["fields"].get(name)
        if now_ is None:
            yield f"the form's {name} is gone"
            continue
        for fact in sorted(was.keys() | now_.keys()):
            if was.get(fact) != now_.get(fact) and not _wider(fact, was.get(fact), now_.get(fact)):
                yield f"the form's {name} has {fact} {now_.get(fact)!r} and had {was.get(fact)!r}"
    for name, path in before["oauth"].items():
        if after["oauth"].get(name) != path:
            yield f"the sign-in keeps {name} at {after['oauth'].get(name)} and kept it at {path}"


def _wider(fact: str, was: Any, now_: Any) -> bool:
    """Whether everything that was accepted still is."""
    if fact in ("pattern", "minimum", "maximum", "enum") and now_ is None:
        return True
    if was is None or now_ is None:
        return False
    if fact == "enum":
        return set(was) <= set(now_)
    return bool((fact == "minimum" and now_ < was) or (fact == "maximum" and now_ > was))


def _breaking_state(before: Mapping[str, Any]) -> Iterator[str]:
    """States that were stored and are no longer understood."""
    for name, blob in before["examples"].items():
        try:
            state.StreamState("contacts", blob, HOST)
        except AirbyteTracedException:
            yield f"a stored state is refused: {name}"


def main() -> int:
    """Write the contract of now; tell what of the last release it breaks."""
    contract = now()
    write(contract)
    released = kept(RELEASED)
    if released is None:
        sys.stdout.write("Written. Nothing was released yet, so nothing can break.\n")
        return 0
    broken = breaking(released, contract)
    for sentence in broken:
        sys.stdout.write(f"breaking: {sentence}\n")
    sys.stdout.write(f"Written. {len(broken)} breaking changes since the last release.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
