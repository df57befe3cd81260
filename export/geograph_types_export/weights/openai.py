"""OpenAI's weights from the Hugging Face hub, at one revision and of one digest."""

import hashlib
import os
from pathlib import Path
from typing import Final

from geograph_types_export.errors import WeightsError

OPENAI: Final = "openai"
REPOSITORY: Final = "timm/vit_base_patch32_clip_224.openai"
"""Where open_clip gets them. OpenAI's own archive holds the same numbers."""
FILE: Final = "open_clip_model.safetensors"
REVISION: Final = "a6f597a30f7b82c51704746581f9a4e41421e878"
SHA256: Final = "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31"
ARCHIVE_SHA256: Final = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
"""Of OpenAI's own ViT-B-32.pt, as the address that it is published at says."""

ANSWER_SECONDS: Final = 5.0
"""Until the hub has said where the file is; longer than that and `auto` goes on without it."""

ADVICE: Final = (
    f"connect to the network, or copy {FILE} of {REPOSITORY} here and give --weights PATH, or take "
    "--weights random:0 for a stand-in"
)


def fetch_openai() -> Path:
    """Return the file from the hub client's cache, or fetch it there; see `check_openai`.

    The client's settings apply: HF_HUB_OFFLINE, HF_ENDPOINT, HF_HOME, and the proxies.
    """
    # Otherwise its requests say which torch is installed and which program runs it. Read on import.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub
    from huggingface_hub import constants

    cached = huggingface_hub.try_to_load_from_cache(REPOSITORY, FILE, revision=REVISION)
    if isinstance(cached, str):
        return Path(cached)
    if constants.HF_HUB_OFFLINE:
        raise WeightsError(OPENAI, f"are unavailable (HF_HUB_OFFLINE is set); {ADVICE}")
    try:
        # Asked first: a download tries for half a minute to reach a hub that is not there.
        url = huggingface_hub.hf_hub_url(REPOSITORY, FILE, revision=REVISION)
        huggingface_hub.get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
        return Path(huggingface_hub.hf_hub_download(REPOSITORY, FILE, revision=REVISION))
    except Exception as error:  # the client's transports raise unrelated classes
        reason = _reason(error)
    raise WeightsError(OPENAI, f"are unavailable ({reason}); {ADVICE}")


def check_openai(path: Path) -> None:
    """Check the digest of a cached file: nothing fetches it again before it is deleted."""
    try:
        problem = "" if file_sha256(path) == SHA256 else "is cut off, damaged or another one"
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
    if problem:
        raise WeightsError(
            OPENAI, f"their cached file {problem}; delete {path.resolve()}, and run again"
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 lower-case digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: BaseException) -> str:
    """Return one line about the first cause, which the client wraps in advice of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}".removesuffix(": ")
