"""`source-sage probe`: finds out, read-only and with few requests, what nobody has written down about Sage's API."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from source_sage.api.businesses import chosen, covered_by_sign_in
from source_sage.clock import Clock
from source_sage.commands import person
from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.probing import questions_of_access, questions_of_lists, questions_of_rows
from source_sage.probing.findings import Finding, Report
from source_sage.probing.looker import REQUESTS_AT_MOST, Looker, NoRequestsLeft
from source_sage.probing.subject import Subject
from source_sage.sign_in.config_file import ConfigFile
from source_sage.source import connected
from source_sage.streams import every_stream

DISTRIBUTION = "airbyte-source-sage"


def main(arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Run the command; gives its exit code: 0 if a sync can be trusted, 3 if something speaks against it."""
    parser = person.parser(
        "probe",
        f"Looks at how Sage answers for one business: read-only, at most {REQUESTS_AT_MOST} requests, a few minutes. "
        "What it prints holds counts, shapes, names of fields and times, and nothing of the business: send it in.",
        "source-sage probe --config sage-config.json --markdown probed.txt",
    )
    parser.add_argument("--business", metavar="ID", help="which one, if the config has several (the first)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings for programs")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the findings for an issue")
    return person.run(lambda options: _probe(options, clock or Clock()), parser.parse_args(arguments))


def _probe(options: argparse.Namespace, clock: Clock) -> int:
    with person.unheard() as say:
        form, file = person.config_of(options.config), ConfigFile(options.config)
        report = probe(form, options.business, clock, file)
        if options.json:
            options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
        if options.markdown:
            options.markdown.write_text(report.as_markdown(), encoding="utf-8")
        say(report.as_text(min(shutil.get_terminal_size().columns, 120)))
    return 3 if report.doubts else 0


def probe(form: dict[str, Any], business: str | None, clock: Clock, file: ConfigFile | None = None) -> Report:
    """Ask all questions of one business.

    Args:
        form: the config; renewed tokens are put into it.
        business: its id; the config's first if None.
        clock: injected for tests.
        file: where renewed tokens are kept.

    Raises:
        AirbyteTracedException: the sign-in does not work, or there is no such business.
    """
    config = SageConfig.parse(form)
    tokens, transport = connected(form, config.endpoints, clock, config_file=file)
    choice = chosen(config, covered_by_sign_in(transport))
    one = next((one for one in choice.businesses if business in (None, one.id)), None)
    if one is None:
        raise config_error(
            f"--business {business} is none of the config's. Leave it out, or take an id of the Account ID."
        )
    looker = Looker(config.endpoints.api, tokens, one.id, clock)
    findings: list[Finding] = []
    try:
        findings.extend(_asked(looker, form))
    except NoRequestsLeft:
        person.say(f"Stopped after {REQUESTS_AT_MOST} requests; what is not told was not asked.")
    finally:
        looker.close()
    return Report(version(DISTRIBUTION), clock.now().date().isoformat(), looker.requests + 1, findings)


def _asked(looker: Looker, form: dict[str, Any]) -> Iterator[Finding]:
    questions = [*questions_of_lists.QUESTIONS, *questions_of_rows.QUESTIONS, *questions_of_access.QUESTIONS]
    streams = every_stream()
    subject = Subject.read(looker, streams, lambda name: _progress(looker, f"a page of {name}"))
    for number, question in enumerate(questions, 1):
        _progress(looker, f"question {number} of {len(questions)}")
        found = question(subject)
        yield from [found] if isinstance(found, Finding) else found
    yield questions_of_access.token_lives(form)
    person.progress("")


def _progress(looker: Looker, doing: str) -> None:
    person.progress(f"{looker.requests:3} requests: {doing}")
