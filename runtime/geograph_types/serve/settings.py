"""What an operator chooses of the service, checked before anything is loaded."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from geograph_types.errors import InputError
from geograph_types.system.hosts import is_loopback

MEBIBYTE = 1 << 20

TOKEN_CHARACTERS = 16
"""Fewer can be guessed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the service takes on.

    Attributes:
        body_bytes: of one request.
        buffered_bytes: of all bodies that are held at once.
        decoding_bytes: that all photos may take at once while they are decoded.
        queue_seconds: of work that may be waiting; more is refused at once.
        deadline_seconds: after which an accepted request is no longer begun.
        receive_seconds: for the headers of a request; of a body, in half of it as many bytes must
            come as the slowest line brings.
        idle_seconds: that a connection stays open between requests.
        connections: held open at once; the one that waits longest makes room for another.
        batch: photos in one run of the encoder.
        batch_wait_seconds: for others that are being decoded, before a smaller batch is run.
    """

    body_bytes: int = 20 * MEBIBYTE
    buffered_bytes: int = 32 * MEBIBYTE
    decoding_bytes: int = 160 * MEBIBYTE
    queue_seconds: float = 0.5
    deadline_seconds: float = 0.9
    receive_seconds: float = 10.0
    idle_seconds: float = 5.0
    connections: int = 512
    batch: int = 8
    batch_wait_seconds: float = 0.004

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise InputError(f"{name.replace('_', ' ')} is above 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where the service listens and whom it answers.

    Attributes:
        host: address or name to listen on.
        port: 0 takes a free one.
        token: that requests must bring; `None` where everybody who can connect is answered.
        no_auth: the operator knows that a public address is open to everybody.
        allowed_hosts: names by which the service may be called, beside those of this machine.
        idle_unload: seconds without work after which the model is dropped; `None` keeps it.
        limits: how much is taken on.

    Raises:
        InputError: a public address without a token, a token that is too short, or an allowed name
            that is none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    no_auth: bool = False
    allowed_hosts: tuple[str, ...] = ()
    idle_unload: float | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.token is not None:
            _check_token(self.token)
            if self.no_auth:
                raise InputError("--no-auth answers everybody: leave out the token, or --no-auth")
        elif not self.no_auth and not is_loopback(self.host):
            raise InputError(
                f"{self.host} can be reached from other machines: give --token or set "
                "GEOGRAPH_TYPES_TOKEN, or --no-auth to answer everybody"
            )
        for name in self.allowed_hosts:
            bracketed = f"[{name}]" if ":" in name else name
            if not name or host_name(bracketed) != name:
                raise InputError(
                    f"--allow-host {name!r} is no name of a host: give it alone, as example.org, "
                    "without scheme, port and path"
                )


def _check_token(token: str) -> None:
    if len(token) < TOKEN_CHARACTERS:
        raise InputError(
            f"a token has {TOKEN_CHARACTERS} characters or more: make one with "
            "'python3 -c \"import secrets; print(secrets.token_urlsafe())\"'"
        )
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise InputError(
            "a token is made of printable ASCII characters, without spaces around them"
        )


def host_name(authority: str) -> str:
    """Give the name in a request's Host, in small letters without port and brackets.

    Empty where there is none.
    """
    try:
        return (urlsplit(f"//{authority}").hostname or "").casefold()
    except ValueError:
        return ""
