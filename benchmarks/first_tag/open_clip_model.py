"""Tag one photo with open_clip: python open_clip_model.py THREADS WEIGHTS HEAD PHOTO.

The model is made as open_clip's documentation shows, text tower and all.
"""

import sys
from pathlib import Path

import open_clip
import torch
from PIL import Image
from released_head import ReleasedHead

_, threads, weights, head_file, photo = sys.argv
torch.set_num_threads(int(threads))
model, _, transform = open_clip.create_model_and_transforms(
    "ViT-B-32-quickgelu", pretrained_image_path=weights
)
model.eval()
head = ReleasedHead(head_file)
with torch.inference_mode():
    embeds = model.encode_image(transform(Image.open(photo))[None])
    print(head(embeds), flush=True)
print(Path("/proc/self/status").read_text())
