"""What may go wrong between the worker and its server."""

from enum import StrEnum
from pathlib import Path

from geograph_types.errors import GeographTypesError


class StateError(GeographTypesError):
    """A state file that is none, is in use, or cannot be read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"state file {path}: {problem}")
        self.path = path


class ServerUnavailableError(GeographTypesError):
    """The server cannot be reached, or is not well: the same request may succeed later."""

    def __init__(self, url: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(f"{url}: {problem}: see whether the server is well, and run this again")
        self.problem = problem
        self.retry_after = retry_after


class ServerRefusalError(GeographTypesError):
    """The server does not take a request, and will not take it later."""

    def __init__(self, url: str, status: int, advice: str) -> None:
        super().__init__(f"{url}: the server refuses with status {status}: {advice}")
        self.status = status


class FetchFault(StrEnum):
    """Why an image could not be fetched."""

    BAD_ADDRESS = "bad_address"
    NOT_THERE = "not_there"
    TOO_LARGE = "too_large"
    UNREACHABLE = "unreachable"


class FetchError(GeographTypesError):
    """One image that could not be fetched; the others are not affected."""

    exit_status = 1

    def __init__(self, fault: FetchFault, detail: str, answered: bool = True) -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail
        self.answered = answered
