"""What may go wrong between the worker and its server."""

from enum import StrEnum
from pathlib import Path

from geograph_types.errors import GeographTypesError
from geograph_types.system.hosts import shown_address


class StateError(GeographTypesError):
    """A file that is not a state file, is in use, or cannot be read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"state file {path}: {problem}")


class ServerUnavailableError(GeographTypesError):
    """The server cannot be reached, or is not well: the same request may succeed later."""

    def __init__(self, url: str, problem: str, retry_after: float = 0.0) -> None:
        advice = "check that the server is well, and run this again"
        super().__init__(f"{shown_address(url)}: {problem}: {advice}")
        self.problem = problem
        self.retry_after = retry_after  # seconds that it asks to be left alone


class ServerRefusalError(GeographTypesError):
    """The server refuses a request, and will refuse it later too."""

    def __init__(self, url: str, status: int, advice: str) -> None:
        problem = f"the server refuses with status {status}: {advice}"
        super().__init__(f"{shown_address(url)}: {problem}")
        self.status = status


class FetchFault(StrEnum):
    BAD_ADDRESS = "bad_address"
    NOT_THERE = "not_there"
    TOO_LARGE = "too_large"
    UNREACHABLE = "unreachable"


class FetchError(GeographTypesError):
    """One image that could not be fetched; the others are not affected."""

    exit_status = 1

    def __init__(
        self,
        fault: FetchFault,
        detail: str,
        answered: bool = True,  # it is the image's own trouble, not that of all from its server
        retry_after: float = 0.0,  # seconds that its server asks to be left alone
    ) -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail
        self.answered = answered
        self.retry_after = retry_after
