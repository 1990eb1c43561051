"""The source as Airbyte sees it: spec, check, discover, read."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, MutableMapping, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    Status,
)
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler, HttpResponseFilter
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import (
    Business,
    chosen,
    covered_by_sign_in,
    not_covered,
    of_user,
    subscription_ended,
    with_details,
)
from source_sage.api.pace import Pace
from source_sage.api.rights import Subscription, refusals
from source_sage.api.transport import Transport
from source_sage.check import PATIENCE_SECONDS, check, require_sense
from source_sage.clock import Clock
from source_sage.config import Endpoints, SageConfig
from source_sage.errors import ListRefused, RefusedBeforehand, config_error, stopped
from source_sage.forecast import Planned, planned
from source_sage.lists.asking import ThreadPool, Threads
from source_sage.lists.records import Records
from source_sage.lists.state import StreamState
from source_sage.secrecy import visible
from source_sage.sign_in.config_file import ConfigFile
from source_sage.sign_in.tokens import SageTokens
from source_sage.streams import StreamFacts, every_stream, manifest, streams_of
from source_sage.sync.loop import SECONDS_BETWEEN_LOOKS, Sync
from source_sage.sync.messages import LONGEST_SILENCE_SECONDS, state_message
from source_sage.sync.plan import Plan, StreamRun, most_useful
from source_sage.sync.report import Report
from source_sage.sync.stopping import Stop

T = TypeVar("T")
log: Final = logging.getLogger("airbyte.source-sage")


class SourceSage(Source):
    """Sage Accounting.

    Args:
        clock, threads: injected for tests.
        config_file: a person's file, in which renewed tokens are kept.
        stop: a wish that a read should end.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        threads: Callable[[int], Threads] = ThreadPool,
        *,
        config_file: ConfigFile | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._threads = threads
        self._config_file = config_file
        self._stop = stop or Stop()
        self._tokens: SageTokens | None = None

    @property
    def has_renewed(self) -> bool:
        """Tell whether the tokens of the config that it was given are used up by now."""
        return self._tokens is not None and self._tokens.renewals > 0

    @property
    def name(self) -> str:
        """Its name in logs."""
        return "source-sage"

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Leave the config where it is: the CDK would write it, with all that is secret in it, to a temporary file."""
        return config

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        """The form, from the manifest."""
        spec = manifest()["spec"]
        specification: ConnectorSpecification = ConnectorSpecificationSerializer.load(
            {
                "documentationUrl": spec["documentation_url"],
                "connectionSpecification": spec["connection_specification"],
                "advanced_auth": spec["advanced_auth"],
            }
        )
        return specification

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Test Connection. Every foreseen failure is a FAILED status with one plain message."""
        try:
            checked = SageConfig.parse(config)
            require_sense(config, checked, self._clock.now().date())
            _, transport = self._connection(config, checked, reading=False)
            return AirbyteConnectionStatus(status=Status.SUCCEEDED, message=check(checked, transport))
        except AirbyteTracedException as failure:
            return AirbyteConnectionStatus(status=Status.FAILED, message=failure.message)

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """The streams that the toggles leave on. Makes no request."""
        streams = streams_of(_understood(config))
        return AirbyteCatalog(streams=[facts.as_airbyte_stream() for facts in streams])

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Read the selected streams of all chosen businesses.

        Yields:
            Records, states, stream statuses.

        Raises:
            AirbyteTracedException: something did not finish.
        """
        for one in self.read_pages(logger, config, catalog, state):
            if isinstance(one, Records):
                yield from one.messages()
            else:
                yield one

    def read_pages(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
        report: Report | None = None,
    ) -> Iterator[AirbyteMessage | Records]:
        """The same as `read`, with the records a page at a time, and a report for whoever wants to look meanwhile."""
        started = self._clock.now()
        checked = _understood(config)
        states = ConnectorStateManager(state=state or [])
        known = {facts.name: facts for facts in streams_of(checked)}
        selects = list(dict.fromkeys(configured.stream.name for configured in catalog.streams))
        if not selects:
            log.warning("The catalog selects no streams, so nothing is read. Select those that you want.")
        wanted = [name for name in selects if name in known]
        selected, unstartable = _states(checked, [known[name] for name in wanted], states)
        unstartable |= {name: _no_such_stream(name) for name in selects if name not in known}
        tokens, transport = self._connection(config, checked, reading=True)
        report = report or Report()
        lists = [name for facts, _ in selected for name in facts.lists]
        infers = any(every_stream()[name].infers_deletions for name in lists)
        find = functools.partial(
            _businesses, checked, transport, report, with_their_details=bool(lists), with_user=infers
        )
        readable, unreadable = yield from self._meanwhile(find, selected)
        refused = {
            (business.id, name): RefusedBeforehand(refusal.reason, refusal.remedy)
            for business in readable
            for name, refusal in refusals(lists, business.profile).items()
        }
        sync = Sync(
            checked,
            readable,
            selected,
            transport,
            report,
            self._clock,
            refused=refused,
            unreadable=unreadable,
            unstartable=unstartable,
            threads=self._threads,
            stop=self._stop,
        )
        try:
            yield from sync.messages()
        finally:
            logger.info(report.block(self._clock.now() - started, tokens.renewals))

    def plan(
        self,
        config: Mapping[str, Any],
        streams: Sequence[StreamFacts],
        state: list[AirbyteStateMessage],
        report: Report,
    ) -> Iterator[Planned]:
        """What `read` would ask for; asks Sage how long the lists are and reads nothing.

        Yields:
            Each reading of a list, business by business.

        Raises:
            AirbyteTracedException: Sage cannot be asked, or there is nothing to read.
        """
        checked = SageConfig.parse(config)
        selected, unstartable = _states(checked, streams, ConnectorStateManager(state=state))
        for failure in unstartable.values():
            raise failure
        _, transport = self._connection(config, checked, reading=True)
        readable, _ = _businesses(checked, transport, report, with_their_details=True)
        readings = Plan(readable, (StreamRun(*one) for one in selected)).readings
        for reading in sorted(readings, key=lambda one: one.business.id):
            business, name = reading.business, reading.facts.name
            if refusal := refusals([name], business.profile).get(name):
                yield Planned(business, name, "", None, 0, refusal.reason)
            else:
                yield planned(reading.facts, business, reading.checkpoint, checked, transport)

    def _meanwhile(
        self,
        work: Callable[[], T],
        selected: Sequence[tuple[StreamFacts, StreamState]],
    ) -> Generator[AirbyteMessage, None, T]:
        """Have something done before the reading; neither silence nor a wish to stop has to wait for its end.

        Yields:
            After a long silence the state of a stream, as it was saved.

        Raises:
            AirbyteTracedException: somebody wants the run to end.
        """
        pool = ThreadPoolExecutor(1, thread_name_prefix="before")
        try:
            done = pool.submit(work)
            said = self._clock.monotonic()
            while not futures.wait([done], SECONDS_BETWEEN_LOOKS).done:
                if self._stop.asked:
                    raise stopped()
                if selected and self._clock.monotonic() - said >= LONGEST_SILENCE_SECONDS:
                    said = self._clock.monotonic()
                    run = most_useful(StreamRun(*one) for one in selected)
                    yield state_message(run.facts.name, run.blob, 0)
            return done.result()
        finally:
            pool.shutdown(wait=False)

    def _connection(
        self, config: Mapping[str, Any], checked: SageConfig, *, reading: bool
    ) -> tuple[SageTokens, Transport]:
        mutable = config if isinstance(config, MutableMapping) else dict(config)
        pace = Pace(self._clock) if reading else Pace(self._clock, PATIENCE_SECONDS, in_all=True)
        tokens, transport = connected(
            mutable,
            checked.endpoints,
            self._clock,
            config_file=self._config_file,
            reading=reading,
            connections=checked.num_workers,
            pace=pace,
        )
        self._tokens = tokens
        return tokens, transport


def connected(
    form: MutableMapping[str, Any],
    endpoints: Endpoints,
    clock: Clock,
    *,
    config_file: ConfigFile | None = None,
    reading: bool = False,
    connections: int = 1,
    pace: Pace | None = None,
) -> tuple[SageTokens, Transport]:
    """The sign-in of a form, and who asks Sage with it; see `SageTokens` and `Transport`."""
    tokens = SageTokens(form, endpoints.token, reading=reading, clock=clock, config_file=config_file)
    return tokens, Transport(endpoints.api, tokens, error_handler(), connections=connections, clock=clock, pace=pace)


def _understood(config: Mapping[str, Any]) -> SageConfig:
    """The form, checked; a misspelt key is told and stops nothing."""
    checked = SageConfig.parse(config)
    for told in SageConfig.misspelt_in(config, only_missing=False).values():
        log.warning("%s It is ignored.", told)
    return checked


def _states(
    config: SageConfig, streams: Sequence[StreamFacts], saved: ConnectorStateManager
) -> tuple[list[tuple[StreamFacts, StreamState]], dict[str, AirbyteTracedException]]:
    """The streams with how far each is; and by name, with the reason, those whose saved state is no use."""
    host = str(urlsplit(config.endpoints.api).hostname)
    found, failed = [], {}
    for facts in streams:
        blob = {} if facts.fed_by_others else saved.get_stream_state(facts.name, None)
        try:
            found.append((facts, StreamState(facts.name, blob, host)))
        except AirbyteTracedException as failure:
            failed[facts.name] = failure
    return found, failed


def _no_such_stream(name: str) -> AirbyteTracedException:
    return config_error(
        f"The connection selects {visible(name)}, a stream that this source does not have now. Switch its group on "
        "under Data replication options, or refresh the source's schema in the connection."
    )


def _businesses(
    config: SageConfig,
    transport: Transport,
    report: Report,
    *,
    with_their_details: bool,
    with_user: bool = False,
) -> tuple[list[Business], dict[Business, AirbyteTracedException]]:
    """The businesses to read; and those that cannot be read at all, each with the reason.

    Raises:
        AirbyteTracedException: there is nothing to read.
    """
    try:
        covered = covered_by_sign_in(transport, tally=report.before)
    except ListRefused as refusal:
        raise config_error(
            f"Sage refuses the list of your businesses ({refusal.reason}). {refusal.message}"
        ) from refusal
    choice = chosen(config, covered)
    if not choice.businesses:
        raise not_covered(choice.unknown, covered)
    known = choice.businesses
    if with_their_details:
        known = with_details(known, transport, config.num_workers, report.before)
    if with_user:
        known = of_user(known, transport, report.before)
    unreadable = {one: not_covered([one], covered) for one in choice.unknown}
    unreadable |= {one: subscription_ended(one) for one in known if one.profile.subscription is Subscription.ENDED}
    report.titles.update((business.id, str(business)) for business in [*known, *choice.unknown])
    return [one for one in known if one not in unreadable], unreadable


def error_handler() -> DefaultErrorHandler:
    """The manifest's table of answers that are not good, as the CDK's own handler."""
    table = manifest()["definitions"]["error_handler"]
    fields = ("predicate", "http_codes", "action", "failure_type", "error_message")
    filters = [
        HttpResponseFilter(config={}, parameters={}, **{name: one[name] for name in fields if name in one})
        for one in table["response_filters"]
    ]
    return DefaultErrorHandler(config={}, parameters={}, response_filters=filters)
