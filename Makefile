# Each target sets up what it needs. The variables below may be set: make demo DEMO=/tmp/demo
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
# Scenes of each class: to train on, and to judge by.
SCENES ?= 40
UNSEEN ?= 12
TORCH ?= torch

BIN := $(VENV)/bin
TYPES := $(BIN)/geograph-types
INSTALLED := $(VENV)/.installed
DEMO_INSTALLED := $(VENV)/.demo-installed
BENCH_INSTALLED := $(VENV)/.bench-installed
ACCEPTANCE_INSTALLED := $(VENV)/.acceptance-installed

# What can be tested in seconds: no service, no torch, no process but the imports' own.
FASTEST := tests/architecture/test_imports.py tests/runtime/distance tests/runtime/files \
	tests/runtime/test_embedding.py tests/runtime/test_preprocess.py tests/runtime/test_tags.py \
	tests/runtime/test_tag_sets.py tests/trainer/test_labels.py tests/trainer/test_metrics.py

TOGETHER := --numprocesses 3 --dist loadscope --no-loadscope-reorder

.PHONY: demo check test coverage lint acceptance bench bench-quick mutation setup clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# Only what the demo needs. TORCH chooses a build of torch, PIP_EXTRA_INDEX_URL where it comes from.
$(DEMO_INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable '.[cpu,train,export,parquet]' '$(TORCH)'
	touch $@

# Draw photos, embed, train, export, tag: the whole chain, scored on scenes that nobody trained on.
# A batch of so few rows is trained on faster by one thread than by several that wait for one another.
demo: $(DEMO_INSTALLED)
	rm -rf $(DEMO)/train $(DEMO)/test $(DEMO)/run $(DEMO)/bundle
	$(TYPES) scenes $(DEMO)/train --per-class $(SCENES) --seed 1
	$(TYPES) scenes $(DEMO)/test --per-class $(UNSEEN) --seed 2
	$(TYPES) export encoder --weights auto --bundle $(DEMO)/bundle
	$(TYPES) embed $(DEMO)/train --labels $(DEMO)/train/labels.csv --bundle $(DEMO)/bundle --out $(DEMO)/train.parquet
	$(TYPES) embed $(DEMO)/test --labels $(DEMO)/test/labels.csv --bundle $(DEMO)/bundle --out $(DEMO)/test.parquet
	OMP_NUM_THREADS=1 $(TYPES) train $(DEMO)/train.parquet --epochs 30 --out $(DEMO)/run
	$(TYPES) export head $(DEMO)/run --bundle $(DEMO)/bundle
	$(TYPES) bundle verify $(DEMO)/bundle
	$(TYPES) tag $(DEMO)/test --labels $(DEMO)/test/labels.csv --bundle $(DEMO)/bundle --out $(DEMO)/tags.jsonl --report $(DEMO)/report.html
	$(TYPES) score $(DEMO)/test.parquet --bundle $(DEMO)/bundle --out $(DEMO)/scores.jsonl
	$(TYPES) evaluate $(DEMO)/bundle $(DEMO)/test.parquet --split all
	@echo
	@echo "bundle  $(DEMO)/bundle"
	@echo "tags    $(DEMO)/tags.jsonl"
	@echo "Open $(abspath $(DEMO)/report.html) in a browser: the photos and their tags."

# Types are checked as each system has them.
lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	printf '%s\n' linux win32 darwin | xargs -P 3 -I {} $(BIN)/mypy --platform {} --cache-dir .mypy_cache/{}
	$(BIN)/lint-imports

# For use while writing: everything but the long tests.
check: lint
	$(BIN)/python -m pytest --quiet $(FASTEST)

# In the order of files: by their numbers of tests, the longest test of all would come last, alone. A
# third process for two processors, since many tests wait; one thread each, or they wait for each other.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER)

# The same tests, and which lines and branches they reach; slower.
coverage: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TOGETHER) --cov --cov-report=term

# The long versions of tests that have a short one in `make test`, and those that need Chromium, for
# the pages, or a network, for the wheel's extras.
acceptance: $(ACCEPTANCE_INSTALLED)
	GEOGRAPH_TYPES_KILLS=10 GEOGRAPH_TYPES_SIDECARS=500 GEOGRAPH_TYPES_FLIPS=1000 \
		GEOGRAPH_TYPES_HOSTILE=1000 GEOGRAPH_TYPES_TAG_PHOTOS=2000 GEOGRAPH_TYPES_TAG_KILLS=50 \
		GEOGRAPH_TYPES_FULL_DISK=20 GEOGRAPH_TYPES_WORKER_ROWS=5000 \
		GEOGRAPH_TYPES_WORKER_KILLS=10 GEOGRAPH_TYPES_FUZZ_SECONDS=600 \
		GEOGRAPH_TYPES_FUZZ_PHOTOS=2000 GEOGRAPH_TYPES_SOAK_SECONDS=1800 \
		GEOGRAPH_TYPES_DEMO_SCENES=40 GEOGRAPH_TYPES_RAY_PHOTOS=5000 GEOGRAPH_TYPES_RAY_KILLS=10 \
		GEOGRAPH_TYPES_SPLIT_STEP=1 GEOGRAPH_TYPES_DAMAGES=1000 \
		$(BIN)/python -m pytest --durations=3 -rP \
		tests/trainer/training/test_training.py::test_kill_and_resume tests/runtime/sidecars/test_sidecars.py \
		tests/integration/test_tampering.py tests/runtime/decoding/test_hostile.py \
		tests/integration/test_kills.py tests/integration/test_full_disk.py \
		tests/integration/test_ray.py tests/runtime/worker/test_kills.py \
		tests/runtime/serve/test_http.py tests/integration/test_row_inputs.py tests/acceptance

# Change the code in every way that mutmut knows, and list the changes that no test notices.
mutation: $(ACCEPTANCE_INSTALLED)
	rm -rf build/mutation
	mkdir -p build/mutation/src
	cp -r runtime/geograph_types trainer/geograph_types_trainer export/geograph_types_export \
		build/mutation/src
	cp -r tests pyproject.toml build/mutation
	cd build/mutation && $(abspath $(BIN))/mutmut run && $(abspath $(BIN))/mutmut results
	cd build/mutation && $(abspath $(BIN))/mutmut results --all true | sed 's/\.x.*:/:/' | sort | uniq -c

$(BENCH_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	touch $@

$(ACCEPTANCE_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[acceptance]'
	touch $@

# Measure everything, against the other ways to do it; under an hour on two processors. Other work
# disturbs it. A first run exports a bundle, which takes some minutes more.
bench: $(BENCH_INSTALLED)
	$(BIN)/python benchmarks/bench.py

# The same with less of everything, in three minutes.
bench-quick: $(BENCH_INSTALLED)
	$(BIN)/python benchmarks/bench.py --quick

clean:
	rm -rf $(VENV) demo build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
