"""Run the program as `python -m geograph_types.cli`."""

from geograph_types.cli.main import run

run()
