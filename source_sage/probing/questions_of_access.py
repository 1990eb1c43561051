"""What is asked of Sage's manners around the lists: businesses, rights, sign-in, clocks, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt

from source_sage.api.rights import Profile, refusals
from source_sage.probing.findings import UNSETTLED, Finding
from source_sage.probing.looker import NONE, OTHER
from source_sage.probing.subject import Subject, moment_of

NO_BUSINESS: Final = "0" * 32
NO_TOKEN: Final = "no-token-at-all"  # noqa: S105
APART_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 600.0


def echo(subject: Subject) -> Finding:
    """Whether each answer says which business it is for."""
    counted = subject.looker.echoes
    words = "; ".join(f"{count} answers named {what}" for what, count in counted.items() if count)
    doubt = ""
    if counted[OTHER]:
        answer, doubt = "another business", "Answers came for another business. Do not sync; tell Sage's support."
    else:
        answer = "on every list" if not counted[NONE] else "not on every list"
    means = "An answer for another business fails the list; one that names none is told in the report."
    return Finding(
        "which business an answer is for", "the header X-Business of every list's answer", words, answer, means, doubt
    )


def wrong_business(subject: Subject) -> Finding:
    """What comes for a business that is none."""
    seen = subject.looker.ask("/ledger_accounts", {"items_per_page": "1"}, business=NO_BUSINESS)
    doubt = ""
    if seen.good:
        doubt = "Sage answers with some business's rows where a business is asked for that there is not."
    means = "The source takes ids from the list of businesses alone, and compares what an answer names."
    return Finding(
        "a business that is none", "a list with an X-Business of zeros", seen.outcome, seen.outcome, means, doubt
    )


def no_business(subject: Subject) -> Finding:
    """What comes without X-Business."""
    seen = subject.looker.ask("/ledger_accounts", {"items_per_page": "1"}, business=None)
    answer = "the lead business" if seen.good else seen.outcome
    means = "The source always names the business."
    return Finding("no business named", "a list without X-Business", seen.outcome, answer, means)


def refused(subject: Subject) -> Finding:
    """How a list is refused that plan, country or role do not include."""
    details = subject.details.body if subject.details.good else None
    foreseen = refusals(subject.lists, Profile.of(details))
    outcomes: dict[str, list[str]] = {}
    for name, seen in subject.first.items():
        if not seen.good:
            outcomes.setdefault(seen.outcome, []).append(name)
        elif name in foreseen:
            outcomes.setdefault("an empty list" if not seen.items else "rows all the same", []).append(name)
    asked = "one page of every list"
    if not outcomes:
        return Finding(
            "how a list is refused", asked, "no list was refused", UNSETTLED, "A plan or role with less would show it."
        )
    words = "; ".join(f"{what}: {len(names)} lists" for what, names in outcomes.items())
    surprises = [name for name, seen in subject.first.items() if not seen.good and name not in foreseen]
    strange = [name for name, seen in subject.first.items() if not seen.good and seen.code is None]
    doubt = ""
    if strange:
        doubt = f"{len(strange)} lists were refused in words that are not Sage's, by something on the way: they fail."
    words += f"; {len(surprises)} of them could not be told beforehand"
    means = "A refusal in Sage's own words is a skip with a warning; any other is a failure of that list."
    return Finding("how a list is refused", asked, words, " / ".join(sorted(outcomes)), means, doubt)


def rights(subject: Subject) -> Finding:
    """Whether plan, country and roles are told in words that the source knows."""
    asked = "/businesses/{id}"
    if not subject.details.good:
        return Finding(
            "plan, country, roles", asked, subject.details.outcome, UNSETTLED, "The details must be readable."
        )
    profile = Profile.of(subject.details.body)
    known = {"plan": bool(profile.plan), "country": bool(profile.country), "roles": bool(profile.roles)}
    fields = [
        name for name in ("subscriptions", "country", "user_permissions", "user_roles") if name in subject.details.body
    ]
    words = f"fields {', '.join(fields) or 'none'}; {len(profile.roles)} areas with a role"
    missing = [name for name, is_known in known.items() if not is_known]
    answer = "known words" if not missing else f"not understood: {', '.join(missing)}"
    means = "What is not understood spares no request: the list is asked for, and its refusal counts."
    return Finding("plan, country, roles", asked, words, answer, means)


def wrong_token(subject: Subject) -> Finding:
    """What comes for a token that is none."""
    seen = subject.looker.with_token(NO_TOKEN, "/ledger_accounts")
    doubt = ""
    if seen.code == "AuthorizationFailure":
        doubt = "Sage answers a dead token as it answers a missing right: an expired token would skip lists."
    means = "A 401 renews the token once; `AuthorizationFailure` never does."
    return Finding(
        "a token that is none", "a list with a token of a few letters", seen.outcome, seen.outcome, means, doubt
    )


def token_lives(config: Mapping[str, Any]) -> Finding:
    """How long the tokens live, as far as they say."""
    lives = []
    for name in ("access_token", "refresh_token"):
        life = life_of(str(config.get(name) or ""))
        lives.append(f"{name.replace('_', ' ')}: " + (f"{life:.0f} s" if life is not None else "does not say"))
    answer = UNSETTLED if all(one.endswith("say") for one in lives) else "; ".join(lives)
    means = "The source goes by what Sage says at each renewal."
    return Finding("token life times", "the claims of the tokens at hand", "; ".join(lives), answer, means)


def life_of(token: str) -> float | None:
    """Seconds between a token's `iat` and `exp`; None if it is no JWT with both. Its signature is Sage's affair."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return float(claims["exp"]) - float(claims["iat"])
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        return None


def clocks(subject: Subject) -> Finding:
    """Whether the header `Date` and the times of rows come from one clock."""
    asked = "the header `Date` beside this machine's clock, and beside the newest updated_at"
    answers = [seen for seen in subject.first.values() if seen.good]
    dated = [(seen.date - seen.at).total_seconds() for seen in answers if seen.date]
    if not dated:
        means = "Without it the source goes by this machine's clock, which must then be right."
        doubt = "Sage's answers bear no `Date`: keep this machine's clock right."
        return Finding("Sage's clock", asked, "no `Date`", "no `Date`", means, doubt)
    ahead = sorted(dated)[len(dated) // 2]
    newest = [
        (stamp - seen.date).total_seconds()
        for seen in answers
        if seen.date
        for stamp in map(moment_of, (one.get("updated_at") for one in seen.items))
        if stamp
    ]
    words = f"`Date` is {ahead:+.0f} s from this machine's clock"
    words += f"; the newest row is {-max(newest):.0f} s older than its answer" if newest else "; no row has a time"
    means = "Watermarks go by the earlier of the two clocks, less ten minutes."
    if newest and max(newest) > APART_SECONDS:
        doubt = f"Rows bear times up to {max(newest):.0f} s later than Sage's own `Date`."
        return Finding(
            "Sage's clock", asked, words, "rows are ahead of `Date`", means, doubt if max(newest) > 600 else ""
        )
    if newest and -max(newest) <= FRESH_SECONDS:
        return Finding("Sage's clock", asked, words, "one clock, as far as a fresh row shows", means)
    return Finding("Sage's clock", asked, words, UNSETTLED, "A row edited in the last ten minutes would show it.")


def limits(subject: Subject) -> Finding:
    """What a 429 says, if one came; none is provoked."""
    seen = subject.looker.limited
    asked = "nothing: a limit is not provoked"
    means = "The source waits as long as it is told, and paces itself if refusals follow its rate."
    if not seen:
        return Finding("limits", asked, "no 429 came", UNSETTLED, "One would have to come by itself.")
    told = Counter("with Retry-After" if "Retry-After" in one.headers else "without Retry-After" for one in seen)
    words = "; ".join(f"{count} times 429 {how}" for how, count in told.items())
    return Finding("limits", asked, words, " / ".join(sorted(told)), means)


QUESTIONS: Final[Sequence[Callable[[Subject], Finding]]] = (
    wrong_business,
    no_business,
    refused,
    rights,
    wrong_token,
    clocks,
    echo,
    limits,
)
