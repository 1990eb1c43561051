"""One business of the sandbox, and how tests and the control address change it."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Container
from typing import Any, Final, TypeVar, cast

import orjson

from ..clock import Clock
from ..settings import Settings
from ..wire.facts import resources
from ..wire.values import day_text, guid, hex_id, parse_instant, reference
from .affairs import Affairs
from .history import ENTRIES_PER_INVOICE, INVOICES, History, first_day
from .kinds import KIND_OF_LIST
from .singletons import AREAS, PLAN_IDS, business_row
from .table import RowData

# What follows from something else and cannot be made or deleted by itself.
DERIVED: Final = {"transactions", "ledger_entries", "unallocated_artefacts", "businesses"}
_NAMES: Final = ("Juniper & Pike Ltd", "Saltmarsh Joinery", "Northgate Bikes", "Marigold Foods", "Tern Optics")

F = TypeVar("F", bound=Callable[..., Any])


def _guarded(method: F) -> F:
    """One change or look at a time; derived figures are brought up to date before the lock is given up."""

    @functools.wraps(method)
    def guarded(self: Company, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.documents.touches = self.settings.payment_touches_document
            result = method(self, *args, **kwargs)
            self.banking.settle_balances()
            return result

    return cast(F, guarded)


class Company(Affairs):
    """A business. Changes keep the books balanced; times come from the sandbox's clock."""

    def __init__(
        self,
        number: int,
        seed: int,
        size: str | int,
        *,
        plan: str,
        country: str,
        settings: Settings,
        clock: Clock,
        lock: threading.RLock,
        end: int,
    ) -> None:
        # Not for secrets: the same seed must give the same company.
        self.rng = random.Random(f"{seed}/{number}")  # noqa: S311
        self.settings, self.clock, self.lock = settings, clock, lock
        self.id = hex_id(self.rng)
        self.name = _NAMES[number % len(_NAMES)] + (f" {number + 1}" if number >= len(_NAMES) else "")
        self.subscription_active, self.subscription_status = True, "active"
        self.plan_id = PLAN_IDS[plan]
        self.roles: dict[str, str] = dict.fromkeys(AREAS, "Full Access")
        self.tells_roles = True

        super().__init__(self.rng, plan, country, first_day(end))
        invoices = INVOICES[size] if isinstance(size, str) else max(10, size // ENTRIES_PER_INVOICE)
        History(self, invoices, end, sparse=invoices < 100).play(size if isinstance(size, int) else None)

    def wish(
        self,
        *,
        roles: dict[str, str] | None = None,
        tells_roles: bool = True,
        plan_id: str | None = None,
        active: bool = True,
        status: str = "active",
    ) -> None:
        """Make it another kind of business to its user: roles by area (the others stay), plan id, subscription.

        Args:
            tells_roles: whether `/businesses/{id}` lists the user's roles.
        """
        self.roles.update(roles or {})
        self.tells_roles = tells_roles
        self.plan_id = plan_id or self.plan_id
        self.subscription_active, self.subscription_status = active, status

    @property
    def row(self) -> RowData:
        """Its row in `/businesses`."""
        ref = reference("/businesses", self.id, self.name)
        return business_row(
            ref,
            self.country,
            self.plan,
            self.plan_id,
            self.subscription_active,
            self.subscription_status,
            self.roles if self.tells_roles else None,
            self.made,
        )

    @_guarded
    def rows(self, list_name: str) -> list[RowData]:
        """All live rows in full, as `attributes=all` gives them."""
        return [orjson.loads(row.body) for row in self.tables[list_name]]

    @_guarded
    def tombstones(self, list_name: str) -> list[RowData]:
        """All deleted rows of a list, with `deleted_at`."""
        return [stone.wire(True) for stone in self.tables[list_name].tombstones.values()]

    @_guarded
    def row_of(self, list_name: str, key: str) -> RowData:
        """One live row in full."""
        return dict(self.tables[list_name].rows[key].data)

    @_guarded
    def create(self, list_name: str, **values: Any) -> str:
        """A new row now; returns its id. `values` replace plain fields (never amounts of documents)."""
        now = self.clock.now()
        date = values.pop("date", None) or day_text(int(now // 86_400))
        makers: dict[str, Callable[[], str]] = {
            "journals": lambda: self.journals.accrual(date, now, **values),
            "bank_transfers": lambda: self.banking.transfer(date, now, **values),
            "bank_deposits": lambda: self.banking.deposit(date, now, **values),
            "other_payments": lambda: self.banking.other_payment(date, now, **values),
            "contact_payments": lambda: self._pay_something(date, now, **values),
            "contact_allocations": lambda: self._allocate_something(date, now),
            "contacts": lambda: str(self.parties.add(self.rng.choice(["CUSTOMER", "VENDOR"]), now, **values).ref["id"]),
            "products": lambda: str(self.catalogue.add("PRODUCT", now, **values).ref["id"]),
            "services": lambda: str(self.catalogue.add("SERVICE", now, **values).ref["id"]),
            "stock_items": lambda: str(self.catalogue.add("STOCK_ITEM", now, **values).ref["id"]),
            "bank_accounts": lambda: self._new_bank(now, values),
            "stock_movements": lambda: self._move_something(date, now),
            "attachments": lambda: self._attach_something(now, **values),
        }
        if list_name in DERIVED:
            raise ValueError(f"{list_name} follow from documents: create those")
        if list_name in KIND_OF_LIST:
            return self.documents.create(KIND_OF_LIST[list_name], date, now, **values)
        if list_name in makers:
            return makers[list_name]()
        return self._copy_of_something(list_name, now, values)

    @_guarded
    def update(self, list_name: str, key: str, **values: Any) -> None:
        """Other values for fields of a row; with none given, a harmless visible change. Moves updated_at."""
        now = self.clock.now()
        table = self.tables[list_name]
        if not values:
            field = next(
                f
                for f in ("notes", "reference", "description", "details", "name", "displayed_as")
                if f in table.resource.fields
            )
            values = {field: f"Changed {self.rng.randint(1, 10**6)}"}
        table.change(key, values, now)
        if list_name == "stock_items" and key in self.tables["products"]:
            known = {k: v for k, v in values.items() if k in resources()["products"].fields}
            self.tables["products"].change(key, known, now)

    @_guarded
    def reprice(self, key: str) -> None:
        """Change the amounts of an unpaid posted document; old entries are struck, new ones posted."""
        self.documents.reprice(key, self.clock.now())

    @_guarded
    def void(self, list_name: str, key: str) -> None:
        """Mark a document VOID; what paid it is undone first."""
        if list_name not in KIND_OF_LIST:
            raise ValueError(f"{list_name} cannot be voided")
        self._undo_settlements(key)
        self.documents.void(key, self.clock.now())

    @_guarded
    def delete(self, list_name: str, key: str) -> None:
        """Delete a row; what paid a document is undone first, and the ledger's entries are struck out."""
        now = self.clock.now()
        if list_name in DERIVED:
            raise ValueError(f"{list_name} follow from documents: delete those")
        if key in self.documents.by_id:
            self._undo_settlements(key)
            self.documents.delete(key, now)
        elif key in self.payments.by_id:
            self.payments.undo(key, now)
        elif key in self.banking.transactions:
            self.banking.delete(list_name, key, now)
        elif key in self.journals.transactions:
            self.journals.delete(key, now)
        elif list_name == "attachments":
            self.paperwork.detach(key, now)
        else:
            self._forget(list_name, key, now)

    @_guarded
    def restore(self, list_name: str, row: RowData) -> None:
        """A deleted row of master data is there again, in full and under its id; Sage still tells of its deletion."""
        table = self.tables[list_name]
        table.add(row, parse_instant(row["created_at"]), self.clock.now())

    @_guarded
    def hide(self, list_name: str, keys: Container[str] = ()) -> None:
        """From now on these rows are not there for whoever signed in, as by a restricted role; all others are."""
        table = self.tables[list_name]
        table.hidden = keys
        table.forget_answers()

    @_guarded
    def day_of_business(self) -> dict[str, str]:
        """A new invoice, a payment, a journal, an edit and a deletion, all now. Tells the ids."""
        now = self.clock.now()
        date = day_text(int(now // 86_400))
        told = {
            "deleted": next(iter(self.tables["bank_transfers"].rows), ""),
            "invoice": self.documents.create("sales_invoice", date, now),
            "payment": self._pay_something(date, now),
            "journal": self.journals.accrual(date, now),
            "edited": next(iter(self.tables["contacts"].rows), None) or self.create("contacts"),
        }
        self.tables["contacts"].change(told["edited"], {"notes": f"Seen {int(now)}"}, now)
        if told["deleted"]:
            self.delete("bank_transfers", told["deleted"])
        return told

    def _undo_settlements(self, key: str) -> None:
        for made in list(self.documents.by_id[key].settled_by):
            self.payments.undo(made, self.clock.now())

    def _pay_something(self, date: str, now: float, **values: Any) -> str:
        """Pay an open invoice in full; if there is none, make one."""
        keys = [k for k in self.documents.open if self.documents.by_id[k].face.kind.increases]
        key = self.rng.choice(keys) if keys else self.documents.create("sales_invoice", date, now)
        return self.payments.pay(key, self.documents.by_id[key].outstanding, date, now, **values)

    def _allocate_something(self, date: str, now: float) -> str:
        party = next((p for p in self.parties.customers.values() if p.currency == self.base), None)
        party = party or self.parties.add("CUSTOMER", now)
        note = self.documents.create("sales_credit_note", date, now, party=party)
        invoice = self.documents.create("sales_invoice", date, now, party=party)
        return self.payments.allocate(invoice, note, date, now)

    def _move_something(self, date: str, now: float) -> str:
        stock = [i for i in self.catalogue.items.values() if i.kind == "STOCK_ITEM"]
        item = self.rng.choice(stock) if stock else self.catalogue.add("STOCK_ITEM", now)
        return self.catalogue.move(item, self.rng.choice((-2, 5, 10)), date, now, "Stock take")

    def _attach_something(self, now: float, **values: Any) -> str:
        target = next((k for k in self.tables["sales_invoices"].rows), None)
        target = target or self.documents.create("sales_invoice", day_text(int(now // 86_400)), now)
        return self.paperwork.attach("sales_invoices", target, now, **values)

    def _copy_of_something(self, list_name: str, now: float, values: RowData) -> str:
        """Lists without a life of their own grow by copies of their first row."""
        table = self.tables[list_name]
        pattern = next((row.data for row in table), table.pattern)
        key = guid(self.rng) if "-" in pattern.get("id", "") else hex_id(self.rng)
        ref = reference(f"/{list_name}", key, f"Copy {key[:6]}")
        table.add({**pattern, **ref, **values}, now)
        return key

    def _new_bank(self, now: float, values: RowData) -> str:
        """A bank account without movements, on a ledger account of its own."""
        account = self._copy_of_something("ledger_accounts", now, {"visible_in_banking": True})
        row = self.tables["ledger_accounts"].rows[account].data
        ledger = {k: row[k] for k in ("id", "displayed_as", "$path")}
        return self._copy_of_something("bank_accounts", now, {"ledger_account": ledger, "balance": "0.0", **values})

    def _forget(self, list_name: str, key: str, now: float) -> None:
        """Master data goes; documents that name it keep their reference."""
        self.tables[list_name].remove(key, now)
        self.parties.customers.pop(key, None)
        self.parties.vendors.pop(key, None)
        self.catalogue.items.pop(key, None)
        # A stock item is a product too.
        for twin in {"products", "stock_items"} - {list_name}:
            if list_name in {"products", "stock_items"} and key in self.tables[twin]:
                self.tables[twin].remove(key, now)
