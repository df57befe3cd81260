"""Score rows as the released scripts do: python scoring.py ROWS.jsonl.gz CHECKPOINT COUNT.

Each line is parsed, its embedding decoded, and the head runs on it alone, in torch. Prints the
seconds and the highest memory in MB, imports and loading left out of the seconds.
"""

import base64
import gzip
import json
import resource
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from geograph_types.distance.distance import Distance
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head import TypeHead

_, rows, checkpoint, count = sys.argv
torch.set_num_threads(1)  # more make it slower
head = TypeHead.from_weights(read_checkpoint(Path(checkpoint)).weights)
start = time.perf_counter()
with gzip.open(rows) as stream, torch.inference_mode():
    for line in islice(stream, int(count)):
        row = json.loads(line)
        vector = np.frombuffer(base64.b64decode(row["embeddings"]), "<f4").copy()
        bucket = torch.tensor([Distance.parse(row["distance"]).bucket])
        head.probabilities(torch.from_numpy(vector)[None, :], bucket).tolist()
seconds = time.perf_counter() - start
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
