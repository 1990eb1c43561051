"""`python -m integration_tests.sandbox`: a Sage double to play with."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from .server import Sandbox


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m integration_tests.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--size", choices=["tiny", "small", "demo"], default="demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--businesses", type=int, default=1)
    parser.add_argument("--plan", choices=["Start", "Standard", "Plus"], default="Plus")
    parser.add_argument("--country", choices=["GB", "IE", "CA"], default="GB")
    parser.add_argument("--latency", type=float, default=0, help="seconds per request")
    parser.add_argument("--ledger-entries", type=int, help="a ledger of this size instead of --size")
    parser.add_argument("--token-life", type=float, default=300, help="seconds an access token lives")
    parser.add_argument("--rate-limit", type=int, help="requests a minute per business")
    parser.add_argument("--write-config", type=Path, metavar="FILE", help="write a connector config here")
    return parser.parse_args()


def main() -> int:
    """Serve until stopped."""
    args = _arguments()
    box = Sandbox(
        args.size,
        args.seed,
        args.businesses,
        args.plan,
        args.country,
        ledger_entries=args.ledger_entries,
        port=args.port,
        latency=args.latency,
        token_life=args.token_life,
        rate_limit=args.rate_limit,
    )
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with box:
        config = box.config()
        if args.write_config:
            # It holds (sandbox) secrets: for its owner only, as a real one should be.
            with os.fdopen(os.open(args.write_config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(config, out, indent=2)
        lines = [
            f"Sage sandbox:   {box.root}/",
            f"API endpoint:   {config['api_endpoint']}",
            f"Client ID:      {config['client_id']}",
            f"Client Secret:  {config['client_secret']}",
            f"Access Token:   {config['access_token']}",
            f"Refresh Token:  {config['refresh_token']}",
            f"Start Date:     {config['start_date']}",
            *(f"Account ID:     {company.id}  {company.name}" for company in box.businesses),
            *([f"Config written: {args.write_config}"] if args.write_config else []),
            "Press Ctrl+C to stop.",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        stopped.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
