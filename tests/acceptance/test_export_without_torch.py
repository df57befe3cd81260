import csv
import json
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import safetensors.numpy
from clip_layouts import full_model, hugging_face
from wheels import build_wheel, install, run, run_clean

from geograph_types.cli.main import main
from geograph_types_export.weights.stand_in import stand_in_tower
from geograph_types_trainer.scenes import write_scenes

LARGEST: Final = 300_000_000
TORCH: Final = {"torch", "torchvision", "open-clip-torch"}
LAYOUTS: Final = {"open_clip": full_model, "hugging_face": hugging_face}

SERVED: Final = """
import functools, hashlib, http.server, os, sys, threading
from pathlib import Path

folder, bundle, head, weights = map(Path, sys.argv[1:5])
contents = [head.read_bytes(), weights.read_bytes()]
published = [(data, hashlib.sha256(data).hexdigest()) for data in contents]


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.wfile.write(self.answer())

    def answer(self):
        data, digest = published[self.path.endswith(".safetensors")]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{digest}"')
        self.send_header("X-Repo-Commit", openai.REVISION)
        self.end_headers()
        return data

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
os.environ |= {
    "HF_ENDPOINT": address,
    "HF_HOME": str(folder / "hub"),
    "HF_HUB_DISABLE_XET": "1",
    "GEOGRAPH_TYPES_MIRROR": f"{address}/heads",
    "GEOGRAPH_TYPES_CACHE": str(folder / "heads"),
    "NO_PROXY": "127.0.0.1",
}
from geograph_types.cli.main import main
from geograph_types_export import released
from geograph_types_export.weights import files, load, openai

# The published files are not here: the pins are those of the files that stand for them.
released.DIGESTS = {"v2.3": published[0][1]}
openai.SHA256 = published[1][1]
words = ["bundle", "build", "--head", "released:v2.3", "--weights", "openai"]
status = main([*words, "--precision", "fp32", "--bundle", str(bundle)])
assert not {"torch", "open_clip"} & set(sys.modules)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    return install(wheel, "cpu,export", tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_scenes(folder, per_class=8, seed=9)
    return folder


@pytest.fixture(scope="module", params=LAYOUTS)
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in as a file of weights, which is all that can be had of CLIP's format here."""
    path = tmp_path_factory.mktemp("weights") / f"{request.param}.safetensors"
    tensors = LAYOUTS[request.param](stand_in_tower(0))  # type: ignore[arg-type]
    safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)
    return path


def test_it_brings_no_torch_and_is_small(programs: Path) -> None:
    listed = json.loads(run(programs / "python", "-m", "pip", "list", "--format", "json"))
    assert not TORCH & {package["name"] for package in listed}
    used = subprocess.run(["du", "-sb", str(programs.parent)], capture_output=True, text=True)
    size = int(used.stdout.split()[0])
    print(f"{size / 1e6:.0f} MB with pip")
    assert size <= LARGEST


def test_weights_and_a_head_become_a_model_that_tags(
    programs: Path, weights: Path, checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    words = f"bundle build --head {checkpoint} --weights {weights} --precision int8"
    program = programs / "geograph-types"
    run(program, *words.split(), "--calibration", photos, "--bundle", tmp_path / "model")
    photo = min(photos.glob("*.jpg"))
    run(program, "tag", photo, "--bundle", tmp_path / "model", "--out", tmp_path / "tags.csv")
    with (tmp_path / "tags.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["photo"].endswith(photo.name)


def test_by_names(programs: Path, weights: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = [tmp_path, tmp_path / "model", checkpoint, weights]
    run(programs / "python", "-c", SERVED, *arguments)
    run(programs / "geograph-types", "bundle", "verify", tmp_path / "model")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train rows.npy --out run", "train"),
        ("evaluate CHECKPOINT rows.npy", "train"),
        ("checkpoint export run out.pth", "train"),
        ("checkpoint import CHECKPOINT --out imported", "train"),
        ("export verify BUNDLE --against open_clip --weights random:0", "reference"),
    ],
)
def test_what_needs_torch_names_the_extra(
    words: str, extra: str, programs: Path, checkpoint: Path, full_bundle: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", np.full((1, 512), 0.48, np.float32))
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(tmp_path / "run")]) == 0
    named = words.replace("CHECKPOINT", str(checkpoint)).replace("BUNDLE", str(full_bundle))
    done = run_clean(programs / "geograph-types", *named.split(), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'geograph-types[{extra}]'" in done.stderr.splitlines()[-1]
