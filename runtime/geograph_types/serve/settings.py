"""What an operator chooses for the service, checked before anything is loaded."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from geograph_types.errors import InputError
from geograph_types.system.hosts import is_loopback

MEBIBYTE = 1 << 20
LONGEST = 6  # times the limit for headers that a body or an answer may take however fast it is
TOKEN_CHARACTERS = 16  # fewer can be guessed


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int = 20 * MEBIBYTE
    buffered_bytes: int = 32 * MEBIBYTE  # of all bodies that are held at once
    decoding_bytes: int = 160 * MEBIBYTE  # of all photos that are being decoded
    work_seconds: float = 0.5  # of work that may wait; with more, the service is full
    queue_seconds: float = 0.0  # that a request may wait for a place in a full service
    deadline_seconds: float = 0.9  # after which an accepted request is no longer begun
    receive_seconds: float = 10.0  # for the headers of a request, and for slow bodies
    idle_seconds: float = 5.0  # that a connection stays open between requests
    connections: int = 512  # the one that waits longest makes room for another
    batch: int = 8  # photos in one run of the encoder
    batch_wait_seconds: float = 0.004  # for photos that are being decoded


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where the service listens and whom it answers; what cannot be meant is an `InputError`."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: a free one
    token: str | None = None  # that requests must bring
    no_auth: bool = False  # a public address may be open to everybody
    allowed_hosts: tuple[str, ...] = ()  # names of this service beside those of this machine
    idle_unload: float | None = None  # seconds without work after which the model is dropped
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.token is not None and self.no_auth:
            raise InputError("--no-auth answers everybody: leave out --token-file, or --no-auth")
        if self.token is None and not self.no_auth and not is_loopback(self.host):
            raise InputError(
                f"{self.host} can be reached from other machines: give --token-file, or --no-auth "
                "to answer everybody"
            )
        for name in self.allowed_hosts:
            if not name or host_name(f"[{name}]" if ":" in name else name) != name:
                raise InputError(
                    f"--allow-host {name!r} is not a host name: give the name alone, as "
                    "example.org, without scheme, port and path"
                )


def read_token(path: Path) -> str:
    """Read the token that requests must bring, without white space around it."""
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if not (token.isascii() and token.isprintable()):
        raise InputError(f"--token-file {path} is not one line of printable ASCII characters")
    if len(token) < TOKEN_CHARACTERS:
        raise InputError(
            f"--token-file {path}: a token has {TOKEN_CHARACTERS} characters or more: make one "
            "with 'python3 -c \"import secrets; print(secrets.token_urlsafe())\"'"
        )
    return token


def host_name(authority: str) -> str:
    """Return the name in a request's Host in lower case, or nothing if there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").casefold()
    except ValueError:
        return ""
