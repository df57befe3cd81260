"""Read rows as the released scripts do: python decoding.py ROWS.jsonl.gz COUNT.

Each line is parsed, its embedding decoded and stacked with the others. Prints the seconds and the
highest memory in MB, imports left out of the seconds.
"""

import base64
import gzip
import json
import resource
import sys
import time
from itertools import islice

import numpy as np

_, rows, count = sys.argv
start = time.perf_counter()
vectors, labels, distances = [], [], []
with gzip.open(rows) as stream:
    for line in islice(stream, int(count)):
        row = json.loads(line)
        vectors.append(np.frombuffer(base64.b64decode(row["embeddings"]), "<f4"))
        labels.append(row["types"].split(","))
        distances.append(row["distance"])
np.stack(vectors)
seconds = time.perf_counter() - start
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"seconds": seconds, "megabytes": megabytes}))
