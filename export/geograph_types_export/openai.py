"""OpenAI's weights through open_clip: its cache, its hub, and whether the hub can be reached."""

import queue
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

__all__ = ["cached_weights", "download_weights", "why_unreachable"]

REQUEST_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 8.0
"""A look-up of a name can hang longer than any time-out of a request: this ends the wait."""

SOURCE: Final = open_clip.pretrained.get_pretrained_cfg(MODEL_NAME, OPENAI)
REPOSITORY: Final[str] = SOURCE["hf_hub"].rstrip("/")
ARCHIVE_URL: Final[str] = SOURCE["url"]
"""OpenAI's own address; the part before the file's name is its SHA-256."""

ADVICE: Final = (
    f"connect to huggingface.co, or copy open_clip_model.safetensors of {REPOSITORY} (or OpenAI's "
    "ViT-B-32.pt) here and give --weights PATH, or take --weights random:0 for a stand-in"
)


def cached_weights() -> Path | None:
    """Find the weights in the cache of the hub's client or of open_clip.

    Raises:
        WeightsError: open_clip's cached archive is not the published one.
    """
    for name in (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        found = huggingface_hub.try_to_load_from_cache(REPOSITORY, name)
        if isinstance(found, str):
            return Path(found)
    archive = Path.home() / ".cache" / "clip" / Path(ARCHIVE_URL).name
    if not archive.is_file():
        return None
    if file_sha256(archive) != ARCHIVE_URL.split("/")[-2]:
        raise WeightsError(OPENAI, f"{archive} is cut off or damaged; delete it, and run again")
    return archive


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
        WeightsError: they cannot be fetched.
    """
    try:
        return Path(open_clip.download_pretrained(SOURCE))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(OPENAI, f"cannot be downloaded ({reason}); {ADVICE}") from None
