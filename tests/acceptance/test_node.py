import json
import re
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from geograph_types import Bundle, TypeTagger
from geograph_types.preprocess import preprocess
from geograph_types_trainer.scenes import draw_scenes

PAGE: Final = Path(__file__).parents[2] / "docs" / "other-languages.md"
PHOTOS, SEED = 20, 91
BUCKETS: Final = 23
DIFFERENCE: Final = 1e-4


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's script, beside what its command installs."""
    made = tmp_path_factory.mktemp("script")
    text = PAGE.read_text(encoding="utf-8")
    (command,) = re.findall(r"^    (npm install .+)$", text, re.MULTILINE)
    subprocess.run([*command.split(), "--no-audit", "--no-fund"], cwd=made, check=True)
    (snippet,) = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    (made / "tag.mjs").write_text(snippet, encoding="utf-8")
    return made / "tag.mjs"


def test_node_gives_the_probabilities_of_python(int8_bundle: Path, script: Path) -> None:
    pixels = np.stack([preprocess(scene) for scene in draw_scenes(PHOTOS, SEED)])
    buckets = np.arange(PHOTOS) * 7 % BUCKETS
    file = script.with_name("pixels")
    file.write_bytes(pixels.tobytes())
    model = int8_bundle / Bundle.open(int8_bundle).find("tagger", "int8").path
    command = ["node", script, model, file, *map(str, buckets)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    tagger = TypeTagger(int8_bundle, precision="int8")
    expected = tagger.score_buckets(tagger.embed_pixels(pixels), buckets)
    assert [list(row) for row in rows] == [list(Bundle.open(int8_bundle).manifest.classes)] * PHOTOS
    found = np.array([list(row.values()) for row in rows])
    assert np.ptp(expected, axis=0).max() > 100 * DIFFERENCE
    np.testing.assert_allclose(found, expected, rtol=0, atol=DIFFERENCE)
