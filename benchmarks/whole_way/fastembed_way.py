"""Tag photos with fastembed: python fastembed_way.py MODEL FOLDER HEAD LIST; prints the seconds.

Its image pipeline in batches of 32, in one process; the vectors are taken before they are scaled to
length one, and go through the head one by one.
"""

import sys
import time
from pathlib import Path

import torch
from fastembed.image.onnx_embedding import OnnxImageEmbedding

sys.path.insert(0, str(Path(__file__).parents[1] / "first_tag"))
from released_head import ReleasedHead

BATCH = 32
_, name, folder, head_file, listed = sys.argv
paths = Path(listed).read_text().splitlines()
model = OnnxImageEmbedding(name, cuda=False, specific_model_path=folder)
head = ReleasedHead(head_file)


def tag(batch: list[str]) -> None:
    for row in model.onnx_embed(batch).model_output:
        head(torch.from_numpy(row)[None])


tag(paths[:1])
start = time.perf_counter()
for first in range(0, len(paths), BATCH):
    tag(paths[first : first + BATCH])
print(time.perf_counter() - start)
