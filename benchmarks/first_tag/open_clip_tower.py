"""Tag one photo with open_clip's image tower: python open_clip_tower.py THREADS WEIGHTS HEAD PHOTO.

The quickest way: no text tower, no weights drawn before the real ones are loaded.
"""

import sys
from pathlib import Path

import open_clip
import torch
from PIL import Image
from released_head import ReleasedHead

_, threads, weights, head_file, photo = sys.argv
torch.set_num_threads(int(threads))
with torch.device("meta"):
    model = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu"))
tower = model.visual
tower.load_state_dict(torch.load(weights, weights_only=True, mmap=True), assign=True)
tower.eval()
transform = open_clip.image_transform(224, is_train=False)
head = ReleasedHead(head_file)
with torch.inference_mode():
    embeds = tower(transform(Image.open(photo))[None])
    print(head(embeds), flush=True)
print(Path("/proc/self/status").read_text())
