"""OpenAI's weights through open_clip: its cache, its hub, and whether the hub can be reached."""

import queue
import re
import threading
from pathlib import Path
from typing import Final

import huggingface_hub
import open_clip
from huggingface_hub import constants as hub_constants
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from geograph_types_export.architecture import MODEL_NAME, OPENAI
from geograph_types_export.download import file_sha256
from geograph_types_export.errors import WeightsError

REQUEST_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 8.0
"""A look-up of a name can hang longer than any time-out of a request: this ends the wait."""

SOURCE: Final = open_clip.pretrained.get_pretrained_cfg(MODEL_NAME, OPENAI)
REPOSITORY: Final[str] = SOURCE["hf_hub"].rstrip("/")
ARCHIVE_URL: Final[str] = SOURCE["url"]
"""OpenAI's own address; the part before the file's name is its SHA-256."""
SHA256: Final = re.compile("[0-9a-f]{64}")

ADVICE: Final = (
    f"connect to huggingface.co, or copy open_clip_model.safetensors of {REPOSITORY} (or OpenAI's "
    "ViT-B-32.pt) here and give --weights PATH, or take --weights random:0 for a stand-in"
)


def cached_weights() -> Path | None:
    """Find the weights in the cache of the hub's client or of open_clip.

    Returns:
        The file, of the published SHA-256 where its cache tells one; `None` where there is none.

    Raises:
        WeightsError: the cached file is not the published one, or cannot be read.
    """
    found = _in_hub_cache() or _in_open_clip_cache()
    return _as_published(found) if found is not None else None


def why_unreachable() -> str | None:
    """Ask the hub for the weights' metadata, within 8 seconds whatever happens.

    Returns:
        `None` where the hub answers; otherwise the reason.
    """
    if hub_constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask() -> None:
        url = huggingface_hub.hf_hub_url(REPOSITORY, HF_SAFE_WEIGHTS_NAME)
        try:
            huggingface_hub.get_hf_file_metadata(url, timeout=REQUEST_SECONDS)
        except Exception as error:  # the client's transports raise unrelated classes
            answers.put(f"{type(error).__name__}: {error}".splitlines()[0])
        else:
            answers.put(None)

    threading.Thread(target=ask, name="hub-probe", daemon=True).start()
    try:
        return answers.get(timeout=PROBE_SECONDS)
    except queue.Empty:
        return f"no answer within {PROBE_SECONDS:.0f} s"


def download_weights() -> Path:
    """Fetch the weights through open_clip, which keeps them in its cache.

    Raises:
        WeightsError: they cannot be fetched, or are not the published ones.
    """
    try:
        fetched = Path(open_clip.download_pretrained(SOURCE))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(OPENAI, f"cannot be downloaded ({reason}); {ADVICE}") from None
    return _as_published(fetched)


def _in_hub_cache() -> Path | None:
    try:
        for name in (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
            found = huggingface_hub.try_to_load_from_cache(REPOSITORY, name)
            if isinstance(found, str):
                return Path(found)
    except (OSError, ValueError) as error:
        raise WeightsError(
            OPENAI,
            f"the hub's cache cannot be read ({error}); mend {hub_constants.HF_HUB_CACHE}, or set "
            "HF_HUB_CACHE to another folder, and run again",
        ) from None
    return None


def _in_open_clip_cache() -> Path | None:
    try:
        archive = Path.home() / ".cache" / "clip" / Path(ARCHIVE_URL).name
        return archive if archive.is_file() else None
    except (OSError, RuntimeError):  # a user without a home, as in containers, or in another's
        return None


def _as_published(path: Path) -> Path:
    """Hold a cached file to its digest: a cache wins over the hub for ever, whatever is in it."""
    digest = _published_digest(path)
    try:
        if digest is None or file_sha256(path) == digest:
            return path
        problem = "is cut off or damaged"
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
    raise WeightsError(OPENAI, f"its cached file {problem}; delete {path.resolve()}, and run again")


def _published_digest(path: Path) -> str | None:
    """Give the SHA-256 that a cache knows its file by.

    The hub's client links to a blob that is named by its digest; a cache that was copied without
    links tells none.
    """
    if path.name == Path(ARCHIVE_URL).name:
        return ARCHIVE_URL.split("/")[-2]
    blob = path.resolve().name
    return blob if SHA256.fullmatch(blob) else None
