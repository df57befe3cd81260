from pathlib import Path

import pytest
from dataset_rows import rows_of, write_lines

from geograph_types_trainer.dataset.convert import convert_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    source = write_lines(folder / "rows.jsonl.gz", rows_of(800))
    convert_dataset(source, folder / "rows.parquet")
    return folder / "rows.parquet"
