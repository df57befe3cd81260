"""Which activation a file's weights were trained with; their tensors do not tell.

OpenAI's weights need QuickGELU. With GELU they compute another function, with no error anywhere;
and weights trained with GELU have the same shapes and must not be run with QuickGELU.
"""

import json
from pathlib import Path
from typing import Any, Final

from geograph_types_export.architecture import MODEL_NAME
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.files import WeightFile

HUGGING_FACE_CONFIG: Final = "config.json"
OPEN_CLIP_CONFIG: Final = "open_clip_config.json"
QUICK: Final = "quick_gelu"


def check_activation(path: Path, file: WeightFile) -> bool:
    """Refuse weights that say, in the file or in a configuration beside it, that they need GELU.

    Args:
        path: of the weights file.
        file: its contents.

    Returns:
        Whether anything says that they need QuickGELU.

    Raises:
        WeightsError: an activation other than QuickGELU.
    """
    stated = _by_modules(file) or _by_open_clip(path.parent) or _by_hugging_face(path.parent)
    if stated is not None and stated[0] != QUICK:
        activation, where = stated
        raise WeightsError(
            str(path),
            f"{where} says that its activation is {activation}, and CLIP's is QuickGELU; give the "
            f"weights of open_clip's {MODEL_NAME}, or 'openai'",
        )
    return stated is not None


def _by_modules(file: WeightFile) -> tuple[str, str] | None:
    if "QuickGELU" in file.modules:
        return QUICK, "the archive"
    return ("gelu", "the archive") if "GELU" in file.modules else None


def _by_open_clip(folder: Path) -> tuple[str, str] | None:
    model = _config(folder / OPEN_CLIP_CONFIG).get("model_cfg")
    if not isinstance(model, dict):
        return None
    return (QUICK if model.get(QUICK) is True else "gelu"), OPEN_CLIP_CONFIG


def _by_hugging_face(folder: Path) -> tuple[str, str] | None:
    config = _config(folder / HUGGING_FACE_CONFIG)
    vision = config.get("vision_config")
    stated = (vision if isinstance(vision, dict) else config).get("hidden_act")
    return (stated, HUGGING_FACE_CONFIG) if isinstance(stated, str) else None


def _config(path: Path) -> dict[str, Any]:
    """Read a configuration; one that is not there, or is none, says nothing."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
