"""The double itself: HTTP on a port of loopback, one answer at a time, so that a test decides what lies between two."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl

import orjson

from integration_tests.long_lists.books import Book, EndlessBook, Wanted
from integration_tests.long_lists.manners import PAGE_SIZE, Reply, sage_error
from integration_tests.long_lists.times import NOW, BooksClock, ordinal, seconds

PREFIX: Final = "/v3.1/"
# To read one of these singly would mark it as sent.
NEVER_SINGLY: Final = ("sales_invoices", "sales_credit_notes", "sales_corrective_invoices")
REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
_LARGEST_HEAD: Final = 65_536
_UNTIL: Final = "2099-01-01T00:00:00Z"


def business_id(number: int) -> str:
    """The id of the double's so-many-th business."""
    return f"{0xB0 + number:032x}"


@dataclass(frozen=True)
class Asked:
    """One request for a list, as it was answered.

    Attributes:
        number: of the run's requests for lists, from 1.
        at: epoch seconds by the double's clock.
        status: of the answer; 0 for none.
        rows: how many it held.
    """

    number: int
    at: float
    business: str
    list: str
    params: dict[str, str]
    page: int
    size: int
    status: int = 200
    rows: int = 0

    @property
    def is_about_deletions(self) -> bool:
        """It asks what was deleted."""
        return "deleted_since" in self.params

    @property
    def is_about_changes(self) -> bool:
        """It asks what was changed."""
        return bool(self.params.keys() & {"updated_or_created_since", "updated_from_date"})

    @property
    def is_walk(self) -> bool:
        """It asks for the list itself."""
        return not (self.is_about_deletions or self.is_about_changes)


@dataclass(frozen=True)
class Call:
    """A request before it is answered, as a hook sees it.

    Attributes:
        number: of the run's requests for lists, from 1.
        nth: of those for this list of this business.
    """

    number: int
    nth: int
    business: str
    list: str
    book: Book | EndlessBook
    params: dict[str, str]
    page: int
    size: int

    @property
    def is_about_deletions(self) -> bool:
        """It asks what was deleted."""
        return "deleted_since" in self.params

    @property
    def is_about_changes(self) -> bool:
        """It asks what was changed."""
        return bool(self.params.keys() & {"updated_or_created_since", "updated_from_date"})

    @property
    def is_walk(self) -> bool:
        """It asks for the list itself."""
        return not (self.is_about_deletions or self.is_about_changes)

    def view(self) -> Any:
        """The numbers of all rows that its filters let pass, in order, before anything is done to them."""
        return self.book.select(_wanted(self.book, self.params))


Hook = Callable[[Call], Reply | None]


@dataclass
class _Trouble:
    reply: Reply
    when: Callable[[Call], bool]
    times: int


@dataclass
class _Lease:
    """One process's time: its token works until so many requests were answered."""

    token: str
    left: int | None = None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    number: int = 0


class LongSage:
    """See the package's docstring.

    Args:
        now: where the clock stands; `real` for this machine's.
        seconds_a_request: how much time each answer takes by that clock.
        businesses: how many there are.
    """

    def __init__(self, *, now: str = NOW, seconds_a_request: float = 0.25, businesses: int = 1) -> None:
        self.clock = BooksClock(now)
        self.seconds_a_request = 0.0 if now == "real" else seconds_a_request
        self.echoes_business = True
        self.date_header_ahead: float | None = 0.0
        self.months_asked: list[dict[str, str]] = []
        self.requests: list[Asked] = []
        self.other_requests: list[str] = []
        self.answered = 0
        self.dead = threading.Event()
        self.mistakes: list[Exception] = []
        self.businesses = [business_id(number) for number in range(businesses)]
        self._books: dict[tuple[str, str], Book | EndlessBook] = {}
        self._hooks: list[Hook] = []
        self._troubles: list[_Trouble] = []
        self._lock = threading.RLock()
        self._lease = _Lease("")
        self._leases = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    # What is served.

    def add(self, name: str, rows: int, *, business: int = 0, **more: Any) -> Book:
        """A list of one business; see `Book` for what can be said of it."""
        book = Book(name, rows, self.clock, **more)
        self._books[self.businesses[business], name] = book
        return book

    def add_endless(self, name: str, rows: int, **more: Any) -> EndlessBook:
        """A list of millions that stands still; see `EndlessBook`."""
        book = EndlessBook(name, rows, **more)
        self._books[self.businesses[0], name] = book
        return book

    @property
    def books(self) -> dict[tuple[str, str], Book | EndlessBook]:
        """All lists, by business and name."""
        return self._books

    # What happens between two answers.

    def before_each(self, hook: Hook) -> None:
        """Call it before each answer, with the request; a reply that it gives back is sent instead of the page."""
        self._hooks.append(hook)

    def before(
        self,
        name: str,
        action: Callable[[Book], object],
        *,
        when: Callable[[Call], bool] = lambda call: call.is_walk and call.page == 3 and call.size > 1,
        times: int | None = 1,
    ) -> list[int]:
        """Do something with a list before it answers.

        Args:
            when: before which answers.
            times: at most; None for each time.

        Returns:
            The numbers of the requests before which it was done.
        """
        done: list[int] = []

        def hook(call: Call) -> None:
            if call.list == name and when(call) and (times is None or len(done) < times):
                done.append(call.number)
                assert isinstance(call.book, Book)
                action(call.book)

        self.before_each(hook)
        return done

    def living(self, change: Callable[[Book, random.Random], object], *names: str, seed: int = 1) -> None:
        """A business that goes on: one change before each answer about one of these lists."""
        rng = random.Random(seed)  # noqa: S311

        def hook(call: Call) -> None:
            if call.list in names:
                assert isinstance(call.book, Book)
                change(call.book, rng)

        self.before_each(hook)

    def answer_with(
        self, reply: Reply, name: str, *, when: Callable[[Call], bool] = lambda call: True, times: int = 1
    ) -> None:
        """Answer requests for one list with this."""
        self._troubles.append(_Trouble(reply, lambda call: call.list == name and when(call), times))

    def rest(self) -> None:
        """Nothing happens between answers any more."""
        with self._lock:
            self._hooks.clear()
            self._troubles.clear()

    # The connector's side.

    def lease(self, requests: int | None = None) -> str:
        """A token for one process; earlier ones end, so that what is left of a killed one disturbs nobody.

        Args:
            requests: after so many for lists Sage says nothing more and `dead` is set; None for no end.
        """
        with self._lock:
            self._leases += 1
            self._lease = _Lease(f"process-{self._leases}", requests)
            self.requests = []
            self.other_requests = []
            self.months_asked = []
            self.dead.clear()
            return self._lease.token

    def config(self, **form: Any) -> dict[str, Any]:
        """A config for the connector."""
        return {
            "client_id": "long-lists",
            "client_secret": "not-a-secret",
            "api_endpoint": self.url,
            "access_token": self._lease.token or self.lease(),
            "token_expiry_date": _UNTIL,
            "account_id": self.businesses[0] if len(self.businesses) == 1 else "all",
            "start_date": "2020-01-01",
            **form,
        }

    @property
    def url(self) -> str:
        """The API's address."""
        assert self._listener is not None
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v3.1"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True, name="long-sage").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._listener is not None
        # A thread in accept() is not woken by closing its socket.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    # HTTP.

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(sock)
            threading.Thread(target=self._connection, args=(sock,), daemon=True, name="long-sage").start()

    def _connection(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pending = b""
        with sock, contextlib.suppress(OSError):
            while True:
                while (end := pending.find(b"\r\n\r\n")) < 0:
                    chunk = sock.recv(_LARGEST_HEAD)
                    if not chunk:
                        break
                    pending += chunk
                if end < 0:
                    break
                head, pending = pending[:end].decode("latin-1"), pending[end + 4 :]
                try:
                    parts = self._answered(head)
                except Exception as error:  # a hook's own mistake must not look like a connection that failed
                    self.mistakes.append(error)
                    parts = None
                if parts is None:
                    break
                sock.sendall(b"".join(parts))
                if parts[-1] is _CLOSE:
                    break
        self._open.discard(sock)

    def _answered(self, head: str) -> list[bytes] | None:
        """The bytes that answer one request; None to hang up."""
        first, *lines = head.split("\r\n")
        target = first.split(" ", 2)[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path, _, query = target.partition("?")
        with self._lock:
            if headers.get("authorization") != f"Bearer {self._lease.token}" or self.dead.is_set():
                return None
            self.clock.advance(self.seconds_a_request)
            business = headers.get("x-business", "")
            reply, body = self._resource(path.removeprefix(PREFIX), dict(parse_qsl(query)), business)
            if reply.cut == -1:
                return None
            return self._bytes(reply, body or [reply.body], business)

    def _bytes(self, reply: Reply, body: list[bytes], business: str) -> list[bytes]:
        lines = [
            f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {sum(map(len, body))}",
        ]
        if self.date_header_ahead is not None:
            lines.append(f"Date: {self.clock.http_date(self.date_header_ahead)}")
        if self.echoes_business and business:
            lines.append(f"X-Business: {business}")
        lines += [f"{name}: {value}" for name, value in reply.headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if reply.cut is not None:
            return [head, b"".join(body)[: reply.cut], _CLOSE]
        return [head, *body]

    def _resource(self, name: str, params: dict[str, str], business: str) -> tuple[Reply, list[bytes] | None]:
        name, _, key = name.partition("/")
        if name == "businesses":
            self.other_requests.append(f"{name}/{key}")
            return _json(self._business(key) if key else self._all_businesses()), None
        if name == "user":
            return _json({"id": "5" * 32, "displayed_as": "Ada"}), None
        if name == "trial_balance":
            return self._trial_balance(params, business), None
        book = self._books.get((business or self.businesses[0], name))
        if book is not None and key and name not in NEVER_SINGLY:
            return (_json({"id": key}) if book.has(key) else sage_error(404, "NotFound")), None
        if book is None or key:
            self.other_requests.append(f"{name}/{key}")
            return sage_error(404, "NotFound"), None
        return self._page(book, params, business)

    def _page(
        self, book: Book | EndlessBook, params: dict[str, str], business: str
    ) -> tuple[Reply, list[bytes] | None]:
        lease = self._lease
        if lease.left is not None and lease.number == lease.left:
            self.dead.set()
            return Reply(0, cut=-1), None
        lease.number += 1
        self.answered += 1
        nth = lease.counts[business, book.name] = lease.counts.get((business, book.name), 0) + 1
        size, page = int(params.get("items_per_page", "20")), int(params.get("page", "1"))
        call = Call(lease.number, nth, business, book.name, book, params, page, size)
        asked = Asked(lease.number, self.clock.seconds(), business, book.name, params, page, size)
        for one in self._books.values():
            one.request = self.answered
        reply = self._instead(call)
        if reply is None and not 1 <= size <= PAGE_SIZE:
            reply = sage_error(400, "ValidationError", "items_per_page must be between 1 and 200")
        if reply is not None:
            self.requests.append(dataclasses.replace(asked, status=reply.status))
            body = None
        else:
            reply = Reply(200)
            indices, body = _rendered(book, params, page, size)
            self.requests.append(dataclasses.replace(asked, rows=len(indices)))
        return reply, body

    def _instead(self, call: Call) -> Reply | None:
        for hook in self._hooks:
            reply = hook(call)
            if reply is not None:
                return reply
        for trouble in self._troubles:
            if trouble.times > 0 and trouble.when(call):
                trouble.times -= 1
                return trouble.reply
        return None

    def _trial_balance(self, params: dict[str, str], business: str) -> Reply:
        self.months_asked.append(params)
        for trouble in self._troubles:
            call = Call(0, len(self.months_asked), business, "trial_balance", _NO_BOOK, params, 1, 1)
            if trouble.times > 0 and trouble.when(call):
                trouble.times -= 1
                return trouble.reply
        sides = {"debit": "1.0", "credit": "0.0"}
        accounts = [
            {"id": f"{number:032x}", "displayed_as": f"Account {number}", **sides}
            | {f"{when}_balance": sides for when in ("opening", "closing")}
            for number in range(1, 4)
        ]
        return _json({"ledger_accounts": accounts})

    def _business(self, key: str) -> dict[str, Any]:
        return {
            "id": key,
            "displayed_as": f"Business {key[-2:]}",
            "$path": f"/businesses/{key}",
            "name": f"Business {key[-2:]}",
            "subscriptions": [],
        }

    def _all_businesses(self) -> dict[str, Any]:
        rows = [
            {"id": one, "displayed_as": f"Business {one[-2:]}", "$path": f"/businesses/{one}"}
            for one in self.businesses
        ]
        return {"$total": len(rows), "$page": 1, "$next": None, "$back": None, "$items_per_page": 500, "$items": rows}


_CLOSE: Final = b""
_NO_BOOK: Final = EndlessBook("countries", 1)


def _json(value: Any) -> Reply:
    return Reply(200, orjson.dumps(value))


def _wanted(book: Book | EndlessBook, params: dict[str, str]) -> Wanted:
    """What the list takes of a request; what it does not know it ignores."""
    facts, manners = book.facts, book.manners

    def moment(name: str) -> float | None:
        return seconds(params[name]) if name in params else None

    def day(name: str) -> int | None:
        return ordinal(params[name]) if name in params else None

    if facts.deleted_since and "deleted_since" in params:
        return Wanted(deleted_since=moment("deleted_since"))
    since = moment("updated_or_created_since") if facts.since else None
    closed = facts.name == "transactions"
    first, last = (day("from_date"), day("to_date")) if facts.dates else (None, None)
    if since is not None and (first or last):
        if manners.combine == "changes":
            first = last = None
        elif manners.combine == "dates":
            since = None
    sort = params.get("sort", "created_at")
    field_name, _, way = sort.partition(":")
    obeyed = "sort" in params and field_name in facts.sort and manners.sorts
    return Wanted(
        since=since,
        updated_from=moment("updated_from_date") if closed else None,
        updated_to=moment("updated_to_date") if closed else None,
        first=first,
        last=last,
        sort=f"{field_name.removesuffix('_at')}:{way or 'asc'}" if obeyed else None,
    )


def _rendered(book: Book | EndlessBook, params: dict[str, str], asked: int, size: int) -> tuple[Any, list[bytes]]:
    manners = book.manners
    wanted = _wanted(book, params)
    chosen = book.select(wanted)
    size = min(size, manners.largest_page)
    pages = max(1, -(-len(chosen) // size))
    page = min(max(asked, 1), pages)
    indices = chosen[max(0, (page - 1) * size - (manners.overlap if page > 1 else 0)) : page * size]
    if asked > pages and manners.past_end == "empty":
        indices, page = chosen[:0], asked
    if page in manners.empty_once and wanted.since is None and wanted.deleted_since is None:
        manners.empty_once.discard(page)
        indices = chosen[:0]
    head: dict[str, Any] = {}
    total = manners.total(len(chosen))
    if total is not None:
        head["$total"] = total
    if manners.page_echo != "missing":
        head["$page"] = page if manners.page_echo == "shown" else asked
    path = f"/{book.name}?items_per_page={size}&page="
    head["$next"] = f"{path}{page + 1}" if manners.has_next(page, pages) else None
    head["$back"] = f"{path}{page - 1}" if page > 1 else None
    head["$itemsPerPage"] = size
    rows = book.render(indices, stones=wanted.deleted_since is not None)
    return indices, [orjson.dumps(head)[:-1], b',"$items":[', b",".join(rows), b"]}"]
