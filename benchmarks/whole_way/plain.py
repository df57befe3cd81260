"""Tag photos the plain way: python plain.py torch|onnx MODEL HEAD LIST; prints the seconds.

Pillow opens them one after the other, open_clip's transform prepares them, and batches of 32 go
through open_clip's tower in torch, or through the file that torch's exporter makes of it.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "first_tag"))
from released_head import ReleasedHead

BATCH = 32
_, kind, model, head_file, listed = sys.argv
paths = Path(listed).read_text().splitlines()
transform = open_clip.image_transform(224, is_train=False)
head = ReleasedHead(head_file)
encode: Callable[[torch.Tensor], torch.Tensor]
if kind == "torch":
    with torch.device("meta"):
        tower = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")).visual
    tower.load_state_dict(torch.load(model, weights_only=True), assign=True)
    encode = tower.eval()
else:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def encode(inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])


def tag(batch: list[str]) -> None:
    with torch.inference_mode():
        embeds = encode(torch.stack([transform(Image.open(path)) for path in batch]))
        for row in embeds:
            head(row[None])


tag(paths[:1])
start = time.perf_counter()
for first in range(0, len(paths), BATCH):
    tag(paths[first : first + BATCH])
print(time.perf_counter() - start)
