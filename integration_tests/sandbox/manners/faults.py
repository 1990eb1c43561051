"""Faults on request: which request they hit, and what happens to it.

box.faults.add(status(503), path="/v3.1/contacts", times=2)
box.faults.add(drop(), path="*/sales_invoices", nth=3)
box.faults.add(before_page(lambda name, page, company: company.day_of_business()), path="*/transactions")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from ..wire.errors import refused_as
from .raw import HalfAnswer, NoAnswer

if TYPE_CHECKING:
    from ..books.company import Company

PageHook = Callable[[str, int, "Company"], object]


@dataclass
class Call:
    """A request, as faults see it."""

    method: str
    path: str
    params: dict[str, str]
    list: str | None
    company: Company | None

    @property
    def page(self) -> int:
        text = self.params.get("page", "1")
        return int(text) if text.isdigit() else 1

    @property
    def page_size(self) -> int:
        text = self.params.get("items_per_page", "20")
        return int(text) if text.isdigit() else 20


class Action:
    """What a fault does. `before` may answer instead of the sandbox; `after` may spoil its answer."""

    name: str

    async def before(self, call: Call) -> Response | None:
        return None

    async def after(self, call: Call, answer: Response) -> Response:
        return answer

    def wants(self, call: Call) -> bool:
        """A condition of the action's own, beside the registry's."""
        return True


@dataclass
class Instead(Action):
    """Another answer; the request never reaches the sandbox."""

    name: str
    make: Callable[[], Response]

    async def before(self, call: Call) -> Response | None:
        return self.make()


@dataclass
class Spoiled(Action):
    """The sandbox does its work, then the answer is changed."""

    name: str
    change: Callable[[Response], Response]

    async def after(self, call: Call, answer: Response) -> Response:
        return self.change(answer)


@dataclass
class Hang(Action):
    """Say nothing for a while; then go on, or close the connection."""

    seconds: float
    then_drop: bool
    late: bool
    name: str = "hang"

    async def before(self, call: Call) -> Response | None:
        if self.late:
            return None
        await asyncio.sleep(self.seconds)
        return NoAnswer() if self.then_drop else None

    async def after(self, call: Call, answer: Response) -> Response:
        if not self.late:
            return answer
        await asyncio.sleep(self.seconds)
        return NoAnswer() if self.then_drop else answer


@dataclass
class Heavy(Action):
    """Pages above a size are too much for the backend."""

    size: int
    code: int
    name: str = "heavy"

    def wants(self, call: Call) -> bool:
        return call.page_size > self.size

    async def before(self, call: Call) -> Response | None:
        return Response(b"upstream request timeout", self.code, media_type="text/plain")


@dataclass
class Hook(Action):
    """A function of the test's, called around a page (with the state locked by nobody)."""

    function: PageHook
    late: bool
    name: str = "hook"

    def wants(self, call: Call) -> bool:
        return call.list is not None and call.company is not None

    async def before(self, call: Call) -> Response | None:
        if not self.late and call.list and call.company:
            self.function(call.list, call.page, call.company)
        return None

    async def after(self, call: Call, answer: Response) -> Response:
        if self.late and call.list and call.company:
            self.function(call.list, call.page, call.company)
        return answer


def status(code: int, body: Any = None, headers: dict[str, str] | None = None) -> Action:
    """A status, with a JSON body (or text, or none)."""
    content = body.encode() if isinstance(body, str) else b"" if body is None else orjson.dumps(body)
    return Instead(f"status {code}", lambda: Response(content, code, headers, media_type="application/json"))


def refused(code: int) -> Action:
    """Sage's own refusal, with its JSON."""
    return Instead(f"refused {code}", refused_as(code, "this list").answer)


def html(code: int = 502) -> Action:
    """A gateway's web page."""
    page = "<html><body><h1>Bad Gateway</h1></body></html>"
    return Instead(f"html {code}", lambda: Response(page, code, media_type="text/html"))


def empty(code: int = 200) -> Action:
    """No body."""
    return Instead("empty", lambda: Response(b"", code, media_type="application/json"))


def broken_json() -> Action:
    """A whole answer that is not JSON."""
    return Spoiled("broken json", lambda a: Response(bytes(a.body)[:-2] + b",}", a.status_code, media_type=JSON))


def truncated_json(share: float = 0.5) -> Action:
    """The first part of the JSON, as a whole answer."""

    def change(answer: Response) -> Response:
        whole = bytes(answer.body)
        return Response(whole[: int(len(whole) * share)], answer.status_code, media_type=JSON)

    return Spoiled("truncated json", change)


def odd_item(key: str, instead: bytes) -> Action:
    """Wherever the row of this id would be in a list, these bytes are."""

    def change(answer: Response) -> Response:
        whole = bytes(answer.body)
        if key.encode() not in whole:
            return answer
        envelope = orjson.loads(whole)
        items = [instead if item.get("id") == key else orjson.dumps(item) for item in envelope.pop("$items")]
        body = orjson.dumps(envelope)[:-1] + b',"$items":[' + b",".join(items) + b"]}"
        return Response(body, answer.status_code, dict(answer.headers) | {"content-length": str(len(body))})

    return Spoiled("odd item", change)


def drop() -> Action:
    """The connection closes without an answer, and nothing was done."""
    return Instead("drop", NoAnswer)


def cut(share: float = 0.5, reset: bool = False) -> Action:
    """The connection closes in the middle of the body, in good order or by a TCP reset."""
    return Spoiled("cut", lambda answer: HalfAnswer(answer, share, reset))


def lost_answer(hang_seconds: float = 0) -> Action:
    """The work is done (a refresh token is spent), but the answer never arrives."""
    return Hang(hang_seconds, then_drop=True, late=True, name="lost answer")


def hang(seconds: float, then_drop: bool = False) -> Action:
    """Say nothing for so long, then answer (or close)."""
    return Hang(seconds, then_drop, late=False)


def heavy(size: int, code: int = 504) -> Action:
    """Fail while items_per_page is above `size`."""
    return Heavy(size, code)


def wrong_total(more: int) -> Action:
    """`$total` tells of so many rows more than there are."""

    def change(answer: Response) -> Response:
        try:
            envelope = orjson.loads(bytes(answer.body)) if answer.status_code == 200 else None
        except orjson.JSONDecodeError:  # another fault has been at it
            return answer
        if not isinstance(envelope, dict) or envelope.get("$total") is None:
            return answer
        envelope["$total"] += more
        body = orjson.dumps(envelope)
        return Response(body, answer.status_code, dict(answer.headers) | {"content-length": str(len(body))})

    return Spoiled("wrong total", change)


def wrong_business(key: str = "0" * 32) -> Action:
    """The X-Business header of the answer names another business."""

    def change(answer: Response) -> Response:
        answer.headers["X-Business"] = key
        return answer

    return Spoiled("wrong business", change)


def no_business() -> Action:
    """The answer lacks the X-Business header."""

    def change(answer: Response) -> Response:
        del answer.headers["X-Business"]
        return answer

    return Spoiled("no business", change)


def before_page(function: PageHook) -> Action:
    """Call a function with list, page number and company before a page is worked out."""
    return Hook(function, late=False, name="before page")


def after_page(function: PageHook) -> Action:
    """The same, after it was worked out and before it is sent."""
    return Hook(function, late=True, name="after page")


JSON: Final = "application/json"
# What can be asked for over HTTP, by name.
ACTIONS: Final[dict[str, Callable[..., Action]]] = {
    f.__name__: f
    for f in (
        status,
        html,
        empty,
        broken_json,
        truncated_json,
        drop,
        cut,
        lost_answer,
        hang,
        heavy,
        wrong_business,
        no_business,
        refused,
    )
}


@dataclass
class Fault:
    """An action, and which requests it hits."""

    action: Action
    path: str = "*"
    method: str = "*"
    nth: int | None = None
    times: int | None = None
    when: Callable[[Call], bool] | None = None
    seen: int = 0
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether it hits this request; counts."""
        if not (fnmatchcase(call.path, self.path) and fnmatchcase(call.method, self.method)):
            return False
        if not self.action.wants(call) or (self.when and not self.when(call)):
            return False
        self.seen += 1
        if self.nth is not None and self.seen != self.nth:
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass
class Faults:
    """The registry."""

    all: list[Fault] = field(default_factory=list)

    def add(
        self,
        action: Action,
        path: str = "*",
        method: str = "*",
        *,
        nth: int | None = None,
        times: int | None = None,
        when: Callable[[Call], bool] | None = None,
    ) -> Fault:
        """Register a fault: on the `nth` matching request only, on the next `times`, or on all."""
        fault = Fault(action, path, method, nth, times, when)
        self.all.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        self.all.clear()

    def striking(self, call: Call) -> list[Action]:
        """The actions for this request."""
        return [fault.action for fault in list(self.all) if fault.strikes(call)]
