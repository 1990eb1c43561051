"""`source-sage authorize`: a person signs in to Sage in a browser and gets a config file.

Sage's codes live 60 seconds and work once, its access tokens live five minutes (docs/sage-api.md#sign-in): no job for
copying by hand. Nothing here prints or logs a secret, a token or a code.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import shlex
import sys
import tempfile
import warnings
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business, chosen, covered_by_sign_in, not_covered
from source_sage.api.transport import NoGoodAnswer
from source_sage.clock import Clock
from source_sage.commands.person import CONFIG_FILE, tell, unheard
from source_sage.config import ALL_BUSINESSES, SAGE_API, Endpoints, SageConfig
from source_sage.errors import ListRefused, config_error, transient_error
from source_sage.sign_in.config_file import ConfigFile, write
from source_sage.sign_in.consent import (
    CALLBACK_PATH,
    NotTheAnswer,
    SignIn,
    code_in_pasted,
    consent_address,
    exchange,
    redirect_uri,
)
from source_sage.sign_in.redirect import RedirectListener
from source_sage.source import connected

DEFAULT_PORT: Final = 8765
DEFAULT_TIMEOUT_SECONDS: Final = 300
LONGEST_TIMEOUT_SECONDS: Final = 3600
COUNTRIES: Final = ("gb", "ie", "ca")
TRIES: Final = 2
PASTES: Final = 3


def _ask_hidden(question: str) -> str:
    """Ask for a secret; where the terminal cannot hide it, refuse rather than show it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question)
        except getpass.GetPassWarning:
            raise config_error(
                "Typing cannot be hidden here. Put the Client Secret into the environment variable "
                "SAGE_CLIENT_SECRET and run the command again."
            ) from None


@dataclass(frozen=True)
class Person:
    """The person at the terminal, and their browser. A test puts functions of its own here.

    Attributes:
        say: shows a line.
        ask: shows a question and gives what was typed.
        ask_hidden: the same without showing what is typed.
        open_browser: opens an address; False if it could not.
    """

    say: Callable[[str], object] = lambda text: tell(sys.stdout, text)
    ask: Callable[[str], str] = input
    ask_hidden: Callable[[str], str] = _ask_hidden
    open_browser: Callable[[str], bool] = webbrowser.open


def main(arguments: Sequence[str] | None = None, person: Person | None = None, clock: Clock | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; the process's own if None.
        person, clock: injected for tests.

    Returns:
        The exit code: 0 if the config was written, else 1. Wrong options exit with 2, as argparse does.
    """
    options = _options().parse_args(arguments)
    try:
        authorize(options, person or Person(), clock or Clock())
    except AirbyteTracedException as failure:
        problem = str(failure.message)
    except EOFError:
        problem = (
            "Nobody can answer questions here, so nothing was saved. Run the command in a terminal, or give "
            "SAGE_CLIENT_ID and SAGE_CLIENT_SECRET beforehand."
        )
    except KeyboardInterrupt:
        problem = "Stopped. Nothing was saved."
    else:
        return 0
    sys.stderr.write(f"\n{problem}\n")
    return 1


def authorize(options: argparse.Namespace, person: Person, clock: Clock) -> None:
    """Walk the person through the sign-in and write the config.

    What can be found wrong without Sage is found before the browser opens. A sign-in that was made is saved at once,
    whatever comes after it.

    Raises:
        AirbyteTracedException: it did not work out; its message says whether a file was written, and what is missing
            in it.
        KeyboardInterrupt, EOFError: the person stopped, or is not there, before there was anything to save.
    """
    _require_place(options.output, options.force)
    # The form says what is wrong with a field; what nobody has typed yet is filled with stand-ins.
    form = {"client_id": "-", "client_secret": "-", "refresh_token": "-", "start_date": _usual_start(clock)}
    given = {"api_endpoint": options.api_endpoint, "start_date": options.start_date, "account_id": options.account_id}
    form |= {name: value for name, value in given.items() if value}
    SageConfig.parse(form)
    form["client_id"] = _given("Client ID", "SAGE_CLIENT_ID", person.say, person.ask)
    form["client_secret"] = _given("Client Secret", "SAGE_CLIENT_SECRET", person.say, person.ask_hidden)
    checked = SageConfig.parse(form)

    redirect, sign_in = redirect_uri(options.port), SignIn.new()
    code = _code(options, checked, redirect, sign_in, person)
    person.say("\nFetching the tokens and the list of businesses ...")
    config = {
        "account_id": checked.account_id,
        "client_id": checked.client_id,
        "client_secret": checked.client_secret,
        "api_endpoint": checked.api_endpoint,
        **exchange(checked, code, redirect, sign_in.verifier, clock),
        "start_date": checked.start_date.isoformat(),
    }
    output = _free(options.output, options.force, clock)
    _write(output, config)
    try:
        _fill_in(config, options, output, form, person, clock)
    except (AirbyteTracedException, EOFError, KeyboardInterrupt) as problem:
        raise _unfinished(output, config, problem) from problem
    quoted = shlex.quote(str(output))
    person.say(
        f"\nSaved to {output}. It holds the keys to your books: only you can read it; keep it so.\n"
        f"Next: source-sage check --config {quoted} --save-config\n"
        f"Then: source-sage sync --config {quoted}\n"
        "Sage replaces the tokens whenever they are renewed, and the old ones end. Use this file in one place, with a "
        "program that saves the renewed ones, as these two do."
    )


def _fill_in(
    config: dict[str, str],
    options: argparse.Namespace,
    output: Path,
    form: dict[str, str],
    person: Person,
    clock: Clock,
) -> None:
    """Find out what the sign-in alone does not say, and write it into the config.

    Raises:
        AirbyteTracedException: the list of businesses cannot be had, or an Account ID that was given is not in it.
        KeyboardInterrupt, EOFError: the person stopped, or is not there.
    """
    businesses = _businesses(config, output, clock)
    if options.account_id:
        choice = chosen(SageConfig.parse(config), businesses)
        if choice.unknown:
            raise not_covered(choice.unknown, businesses)
    else:
        config["account_id"] = _ask_which(businesses, person)
        _write(output, config)
    if not options.start_date:
        config["start_date"] = _ask_start(form, person)
    _write(output, config)


def _unfinished(output: Path, config: dict[str, str], problem: BaseException) -> AirbyteTracedException:
    """What to do with a sign-in that is saved and not finished."""
    why = str(problem.message) if isinstance(problem, AirbyteTracedException) else "Nobody chose."
    missing = (
        ""
        if config["account_id"]
        else f" Its account_id is empty: put the id in, several with commas, or `{ALL_BUSINESSES}`."
    )
    return config_error(
        f"{why}\nThe sign-in is saved in {output}, for its owner alone.{missing} The first day to read is "
        f"{config['start_date']}, in its start_date. `source-sage check --config {output} --save-config` says "
        "what is left to do."
    )


def picked(answer: str, businesses: Sequence[Business]) -> str:
    """The Account ID for what a person typed at the list of businesses.

    Args:
        answer: numbers of the list, from 1, with commas or blanks between them; or `all`.
        businesses: the list.

    Raises:
        ValueError: the answer names something that is not in the list, or nothing; its message says so.
    """
    if answer.strip().lower() == ALL_BUSINESSES:
        return ALL_BUSINESSES
    ids = []
    for word in answer.replace(",", " ").split():
        if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= len(businesses):
            raise ValueError(f"Answer with numbers from 1 to {len(businesses)}, or `{ALL_BUSINESSES}`.")
        ids.append(businesses[int(word) - 1].id)
    if not ids:
        raise ValueError("Nothing was chosen.")
    return ",".join(dict.fromkeys(ids))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="source-sage authorize",
        epilog="Example: source-sage authorize    Unattended: source-sage authorize --account-id all --start-date "
        "2024-01-01, with SAGE_CLIENT_ID and SAGE_CLIENT_SECRET set",
        description="Sign in to Sage Accounting in your browser and write a config file for source-sage. It asks for "
        "Client ID and Client Secret, or takes them from SAGE_CLIENT_ID and SAGE_CLIENT_SECRET. Your app in Sage's "
        f"developer portal must list the Callback URL {redirect_uri(DEFAULT_PORT)}",
    )
    add = parser.add_argument
    add("--output", type=Path, default=Path(CONFIG_FILE), metavar="FILE", help="where to write (%(default)s)")
    add("--force", action="store_true", help="overwrite the file if it is there")
    add("--account-id", default="", metavar="ID", help="ids of the businesses, or all; asked for if there are several")
    add("--start-date", metavar="YYYY-MM-DD", help="first day to read; asked for if left out")
    add("--country", choices=COUNTRIES, help="country of the business; Sage then does not ask for it")
    add("--no-browser", action="store_true", help="sign in on another computer and paste the address it ends at")
    port = f"port of the Callback URL http://localhost:PORT{CALLBACK_PATH} (%(default)s)"
    add("--port", type=_whole_number(65535), default=DEFAULT_PORT, help=port)
    wait = "how long to wait for the browser (%(default)s)"
    seconds = _whole_number(LONGEST_TIMEOUT_SECONDS)
    add("--timeout", type=seconds, default=DEFAULT_TIMEOUT_SECONDS, metavar="SECONDS", help=wait)
    add("--api-endpoint", default=SAGE_API, metavar="URL", help="the API's address (%(default)s)")
    return parser


def _whole_number(largest: int) -> Callable[[str], int]:
    """An argparse type: 1 up to `largest`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
            raise argparse.ArgumentTypeError(f"wanted is a whole number from 1 to {largest}")
        return int(text)

    return parse


def _given(title: str, variable: str, say: Callable[[str], object], ask: Callable[[str], str]) -> str:
    if os.environ.get(variable, "").strip():
        say(f"{title}: taken from {variable}.")
        return os.environ.pop(variable)  # so that the browser, and whatever it starts, does not inherit it
    return ask(f"{title}: ")


def _code(options: argparse.Namespace, config: SageConfig, redirect: str, sign_in: SignIn, person: Person) -> str:
    """Send the person to Sage's consent page and bring back the code, decoded."""
    address = consent_address(config.endpoints, config.client_id, redirect, sign_in, options.country)
    person.say(f"\nYour app in Sage's developer portal must list this Callback URL: {redirect}")
    if options.no_browser:
        person.say(
            f"\nOpen this address in a browser, sign in to Sage and allow the access:\n\n{address}\n\n"
            f"The browser then goes to an address that begins with {redirect} and most likely says that it cannot be "
            "reached. That is as it should be. Copy that whole address and paste it here within a minute."
        )
        return _pasted(sign_in.state, person)
    try:
        listener = RedirectListener(options.port, sign_in.state, address)
    except OSError as error:
        raise config_error(
            f"Port {options.port} of this computer cannot be used ({error.strerror}: {error.filename}). Whoever "
            "listens there would get Sage's answer. Close that program, or choose another port with --port and list "
            "its Callback URL in your app as well."
        ) from None
    with listener:
        person.say(f"\nSign in to Sage and allow the access at this address:\n\n{address}\n")
        with contextlib.suppress(webbrowser.Error):
            if person.open_browser(listener.start):
                person.say("Your browser has been asked to open it.")
        person.say(f"Waiting for the answer, at most {options.timeout} seconds; Ctrl+C stops ...")
        return listener.wait(options.timeout)


def _pasted(state: str, person: Person) -> str:
    for _ in range(PASTES):
        try:
            return code_in_pasted(person.ask("\nAddress: "), state)
        except NotTheAnswer as problem:
            person.say(str(problem))
    raise config_error("No code was found in what was pasted. Run the command again.")


def _businesses(config: dict[str, str], output: Path, clock: Clock) -> list[Business]:
    """The businesses of the fresh sign-in. If Sage makes it renew the tokens, the config gets the new ones."""
    endpoints = Endpoints.of(config["api_endpoint"])
    try:
        with unheard():
            _, transport = connected(config, endpoints, clock, config_file=ConfigFile(output))
            businesses = covered_by_sign_in(transport, tries=TRIES)
    except NoGoodAnswer as problem:
        raise transient_error(
            f"The sign-in worked, but Sage's list of businesses cannot be had from {endpoints.api}: "
            f"{problem.internal_message}. Check the API Endpoint, then go on."
        ) from problem
    except ListRefused as refusal:
        raise config_error(
            f"The sign-in worked, but {endpoints.api} refuses the list of businesses (HTTP {refusal.status}). Check "
            "the API Endpoint and that the user may see a business, then go on."
        ) from refusal
    if not businesses:
        chosen(SageConfig.parse(config), businesses)  # raises, in the words of `check`
    return businesses


def _ask_which(businesses: Sequence[Business], person: Person) -> str:
    if len(businesses) == 1:
        person.say(f"The sign-in covers one business: {businesses[0]}.")
        return businesses[0].id
    person.say(f"\nThe sign-in covers {len(businesses)} businesses:")
    for number, business in enumerate(businesses, 1):
        person.say(f"{number:>4}  {business}")
    while True:
        answer = person.ask("Which ones? Numbers with commas between them, or `all` (also those added later): ")
        try:
            return picked(answer, businesses)
        except ValueError as problem:
            person.say(str(problem))


def _usual_start(clock: Clock) -> str:
    return f"{clock.now().year - 1}-01-01"


def _ask_start(form: dict[str, str], person: Person) -> str:
    """The Start Date, asked for until it is one; Enter takes the one in the form."""
    while True:
        try:
            answer = person.ask(f"First day to read, as YYYY-MM-DD (Enter for {form['start_date']}): ").strip()
        except EOFError:
            person.say(f"\nNobody answered: from {form['start_date']} on.")
            return form["start_date"]
        try:
            return SageConfig.parse(form | ({"start_date": answer} if answer else {})).start_date.isoformat()
        except AirbyteTracedException as problem:
            person.say(str(problem.message))


def _require_place(output: Path, force: bool) -> None:
    """Make sure that the file may be written, by creating one beside it.

    Raises:
        AirbyteTracedException: it exists, or its folder cannot be written.
    """
    if output.is_dir() or (os.path.lexists(output) and not force):
        raise config_error(f"{output} is already there. Choose another file with --output, or add --force.")
    try:
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise _unwritable(output, error) from None


def _free(output: Path, force: bool, clock: Clock) -> Path:
    """Where to write: the file that was asked for, or one beside it if somebody made that one meanwhile."""
    if force or not os.path.lexists(output):
        return output
    return output.with_name(f"{output.stem}-{clock.now():%Y%m%d-%H%M%S}{output.suffix}")


def _write(output: Path, config: dict[str, str]) -> None:
    """Write the config whole or not at all; nobody but its owner can read it at any moment."""
    try:
        write(output, config)
    except OSError as error:
        raise _unwritable(output, error) from None


def _unwritable(output: Path, error: OSError) -> AirbyteTracedException:
    return config_error(
        f"{output} cannot be written ({error.strerror}). Choose another place with --output; nothing was saved."
    )
