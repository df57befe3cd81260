"""Sidecars in the forms in which eight programs write them, for one photo with two keywords."""

from pathlib import Path

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DATA = Path(__file__).parents[1] / "runtime" / "sidecars" / "data"
SIDECARS = {path.stem.replace("-", " "): path.read_bytes() for path in sorted(DATA.glob("*.xmp"))}
