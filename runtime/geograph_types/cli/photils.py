"""The command `photils`: what darktable's script for automatic tags calls as `photils-cli`."""

from pathlib import Path

import click

from geograph_types.cli.config import config_option
from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import any_path, bundle_option, output_path, precision_option
from geograph_types.files.atomic import new_file
from geograph_types.photos.embed import embed_photos
from geograph_types.photos.tag import tag_photos
from geograph_types.tagger import PrecisionChoice, TypeTagger
from geograph_types.tags import FINAL_TAGS


@click.command(epilog="Example: geograph-types photils --bundle model -c -i photo.jpg -o tags.txt")
@click.option("-i", "image", type=any_path, required=True, metavar="IMAGE", help="The photo.")
@click.option("-o", "out", type=output_path, metavar="FILE", help="Write a line for each tag here.")
@click.option("-c", "with_confidence", is_flag=True, help="All tags, each with its probability.")
@bundle_option
@precision_option
@config_option
def photils(
    image: Path, out: Path | None, with_confidence: bool, bundle: Path, precision: PrecisionChoice
) -> int:
    """Suggest tags for one photo to darktable, as its script 'photils' asks for them.

    The distance is that of the photo's EXIF. Lines are tags, with -c "tag:probability" of all.
    """
    tagger = TypeTagger(bundle, precision=precision)
    warn_of_stand_in(tagger.bundle)
    (result,) = tag_photos(tagger, embed_photos(tagger, [image], jobs=1), {})
    if result.prediction is None:
        note(f"error: {result.error}")
        return 1
    lines = list(result.prediction.tags)
    if with_confidence:
        probabilities = result.prediction.probabilities.values()
        pairs = sorted(zip(probabilities, FINAL_TAGS, strict=True), reverse=True)
        lines = [f"{tag}:{probability:.4f}" for probability, tag in pairs]
    text = "\n".join(lines)
    if out is None:
        click.echo(text)
        return 0
    with new_file(out) as stream:
        stream.write(f"{text}\n".encode())
    return 0
