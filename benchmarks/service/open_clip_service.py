"""The plain way to serve embeddings: python open_clip_service.py WEIGHTS PORT.

As short as the service that ours replaces: open_clip's model as its documentation makes it, a JSON
body with the photo in base64, and the model run inside `async def`, one photo at a time.
"""

import base64
import io
import sys

import open_clip
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

_, weights, port = sys.argv
model, _, transform = open_clip.create_model_and_transforms(
    "ViT-B-32-quickgelu", pretrained_image_path=weights
)
model.eval()
app = FastAPI()


class Photo(BaseModel):
    """What its clients send."""

    image: str
    model: str = "clip"


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer that it is there."""
    return {"status": "ok"}


@app.post("/image")
async def image(photo: Photo) -> list[float]:
    """Return the embedding of a photo."""
    opened = Image.open(io.BytesIO(base64.b64decode(photo.image)))
    with torch.inference_mode():
        embeds: list[float] = model.encode_image(transform(opened)[None])[0].tolist()
    return embeds


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
