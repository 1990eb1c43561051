"""The pages a person sees: what this is, and the consent page. Plain HTML and CSS, no script."""

from __future__ import annotations

from html import escape
from typing import Final

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b2733;background:#f3f5f7;margin:0;padding:0 1rem}
main{max-width:46rem;margin:3rem auto;background:#fff}
main{border:1px solid #dde3e8;border-radius:10px;padding:2rem 2.5rem}
main.narrow{max-width:30rem;margin:1.2rem auto;padding:1.4rem 2.2rem}
main.narrow h2{margin-top:1.2rem}main.narrow ul{margin:0}
.brand{font-weight:600;color:#00704a;margin:0 0 .8rem}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 .5rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}
p{margin:.4rem 0}.quiet{color:#5b6b7a}ul{padding-left:1.2rem}
pre,code{font:13px/1.5 ui-monospace,monospace;background:#f3f5f7;border-radius:6px}
pre{padding:.8rem 1rem;overflow-x:auto}code{padding:.1rem .3rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid #eef1f4}
form{display:flex;gap:.8rem;margin-top:1.6rem}
button{font:inherit;padding:.6rem 1.6rem;border-radius:6px;border:1px solid #b9c4ce;background:#fff;cursor:pointer}
button:focus-visible{outline:3px solid #7fb8a4;outline-offset:2px}
footer{margin-top:1.6rem;padding-top:1rem;border-top:1px solid #e6eaee;color:#5b6b7a;font-size:.85rem}
button.yes{background:#00704a;border-color:#00704a;color:#fff;font-weight:600}
"""


def page(title: str, content: str, narrow: bool = False) -> str:
    """A whole page around some content (already escaped)."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main{' class=narrow' if narrow else ''}>{content}</main></body></html>"
    )


def consent_page(app: str, read_only: bool, user: str, businesses: list[str], hidden: dict[str, str]) -> str:
    """Who asks, for what, for which businesses; Allow and Deny."""
    access = "Read your accounting data" if read_only else "Read and change your accounting data"
    limit = "It cannot change, add or delete anything." if read_only else "Changes show in your books at once."
    names = "".join(f"<li>{escape(name)}</li>" for name in businesses)
    fields = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in hidden.items())
    return page(
        f"Allow {app}?",
        '<p class="brand">Sage sandbox</p>'
        f"<h1>{escape(app)} asks for access to your books</h1>"
        f'<p class="quiet">Signed in as {escape(user)}. All businesses here are made up.</p>'
        f"<h2>What it may do</h2><p>{access}. {limit}</p>"
        f"<h2>In these businesses</h2><ul>{names}</ul>"
        f'<form method="post" action="/oauth/authorize">{fields}'
        '<button class="yes" name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form>'
        "<footer>Your password is not shared. You can take this back at any time.</footer>",
        narrow=True,
    )


def problem_page(text: str) -> str:
    """A request that cannot be answered by a redirect."""
    return page("Cannot continue", f"<h1>Cannot continue</h1><p>{escape(text)}</p>", narrow=True)


def front_page(
    root: str, credentials: dict[str, str], businesses: list[tuple[str, str]], config: str, curls: dict[str, str]
) -> str:
    """What this is and how to use it."""
    known = "".join(f"<tr><th>{escape(k)}</th><td><code>{escape(v)}</code></td></tr>" for k, v in credentials.items())
    rows = "".join(f"<tr><td>{escape(name)}</td><td><code>{key}</code></td></tr>" for key, name in businesses)
    steps = "".join(f"<h2>{escape(k)}</h2><pre>{escape(v)}</pre>" for k, v in curls.items())
    return page(
        "Sage sandbox",
        "<h1>Sage sandbox</h1>"
        "<p>A double of the Sage Accounting API v3.1 with made-up companies whose books balance. "
        "It runs on this machine only; nothing here is real.</p>"
        f"<h2>Address and credentials</h2><table>{known}</table>"
        f"<h2>Businesses</h2><table><tr><th>Name</th><th>Account ID</th></tr>{rows}</table>"
        f"<h2>Config for the connector</h2><pre>{escape(config)}</pre>"
        "<p>Save it as <code>sage-config.json</code>, or have it made by</p>"
        f"<pre>source-sage authorize --api-endpoint {escape(credentials['Address'])}</pre>"
        "<p>Then</p><pre>source-sage sync --config sage-config.json</pre>"
        "<p>A day of business passes, with an invoice, a payment, a deletion:</p>"
        f'<pre>curl {escape(root)}/_sandbox/changes --json \'{{"changes": [{{"op": "day_of_business"}}]}}\'</pre>'
        f"{steps}"
        '<h2>What was asked</h2><p><a href="/_sandbox/requests">/_sandbox/requests</a></p>',
    )
