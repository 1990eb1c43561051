"""A person's config file, in which renewed tokens are kept.

Sage's refresh tokens work once: a file that still holds a used one is worth nothing. So whoever renews the tokens of a
file does it inside `renewal`, which lets one process at a time renew, shows what the file holds by then, and writes the
new ones into it: beside it, to the disk, then in its place. The lock is held for that only.

For other commands: `ConfigFile(path)` as `config_file` of `SageTokens` or of `SourceSage` keeps the tokens of all that
is done with it; `write(path, config)` makes a new file.

On systems without `fcntl` (Windows) nothing keeps two processes apart that renew in the same moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.errors import config_error

OWNER_ONLY: Final = 0o600
NEW: Final = ".new"
RESCUED: Final = ".rescued"
TOKEN_KEYS: Final = ("access_token", "refresh_token", "token_expiry_date")


class ConfigFile:
    """A config file that keeps its tokens.

    Args:
        path: of the file, as the person gave it. Where it is a link, the file that it leads to is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._real = Path(os.path.realpath(path))

    def require_replaceable(self) -> None:
        """Make sure that tokens can be kept in it, by putting it in place of itself.

        Raises:
            AirbyteTracedException: config_error; it cannot be read or replaced.
        """
        with self.renewal():
            pass

    @contextlib.contextmanager
    def renewal(self) -> Iterator[Kept]:
        """Hold the file while its tokens are renewed. It was put in place of itself before, so that it surely can be.

        Yields:
            The file, as it is now.

        Raises:
            AirbyteTracedException: config_error; it cannot be read or replaced. No token was spent for it.
        """
        with self._locked():
            config, content = self._read()
            rescued = _newer_tokens(config, beside(self._real))
            kept = Kept(self._real, config | rescued)
            try:
                # What is rescued stays where it was found until it stands in the file.
                _write(self._real, _text(kept.config) if rescued else content, RESCUED if rescued else NEW)
            except OSError as error:
                raise self._cannot_be_replaced(error) from None
            beside(self._real).unlink(missing_ok=True)
            yield kept

    def _read(self) -> tuple[dict[str, Any], bytes]:
        try:
            content = self._real.read_bytes()
            config = json.loads(content)
        except OSError as error:
            raise config_error(f"{self.path} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            raise config_error(f"{self.path} is not valid JSON ({error}).") from None
        if not isinstance(config, dict):
            raise config_error(f'{self.path} holds no object: it must look like {{"client_id": "…", …}}.')
        return config, content

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the folder: that of the file would be gone when it is replaced."""
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        try:
            descriptor = os.open(self._real.parent, os.O_RDONLY)
        except OSError as error:
            raise config_error(f"{self.path} cannot be read: {error.strerror}.") from None
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _cannot_be_replaced(self, error: OSError) -> AirbyteTracedException:
        return config_error(
            f"Renewed tokens cannot be kept in {self.path} ({error.strerror}), and Sage's old ones end when they are "
            f"renewed. Nothing was renewed. Let this user write to the folder {self._real.parent}; in a container, "
            "mount the folder that the file is in, writable, and not the file alone."
        )


class Kept:
    """A config file that is held.

    Attributes:
        config: what it holds.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._path = path
        self.config = config

    def keep(self, tokens: Mapping[str, str]) -> None:
        """Write renewed tokens into it; everything else stays as it is.

        Raises:
            OSError: it could not be replaced, though it could a moment ago.
        """
        self.config |= {name: tokens[name] for name in TOKEN_KEYS}
        write(self._path, self.config)


def write(path: Path, config: Mapping[str, Any]) -> None:
    """Write a config file whole or not at all; nobody but its owner can read it at any moment.

    Args:
        path: where to. The file that it is written through has the same name with `.new` behind it.
        config: what it is to hold.

    Raises:
        OSError: it cannot be written or replaced; what stood there stands there still.
    """
    _write(path, _text(config), NEW)


def beside(path: Path, ending: str = NEW) -> Path:
    """What a file is written through."""
    return path.with_name(f"{path.name}{ending}")


def _text(config: Mapping[str, Any]) -> bytes:
    return (json.dumps(config, indent=2) + "\n").encode()


def _write(path: Path, content: bytes, ending: str) -> None:
    new = beside(path, ending)
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _newer_tokens(config: Mapping[str, Any], new: Path) -> dict[str, str]:
    """The tokens that a process had written beside the file when it was killed, before it could put them in place."""
    try:
        found = json.loads(new.read_bytes())
        tokens = {name: str(found[name]) for name in TOKEN_KEYS}
        ends, known = (dt.datetime.fromisoformat(str(one["token_expiry_date"])) for one in (found, config))
        if ends > known:
            return tokens
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return {}
