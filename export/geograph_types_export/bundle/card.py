"""The card that people read beside the manifest; it is made from the manifest alone."""

from collections.abc import Iterable, Iterator
from typing import Final

from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, Manifest
from geograph_types.thresholds import STATES, Thresholds

STAND_IN: Final = """\
> **The encoder is a stand-in.** Its weights are random numbers in the architecture of CLIP
> ViT-B/32. It has the right shapes and the right speed; its features mean nothing, and nothing
> that this bundle says about a real photograph is to be believed. Export again with
> `--weights openai`."""

USE: Final = """\
## What it does

It predicts the Type tags of a Geograph photograph, seven independent probabilities, from the
picture and from the distance between camera and subject. `geograph-types tag PHOTO --bundle DIR`
runs it. The embedding is CLIP's, not normalised; the head refuses a normalised one.

It knows pictures such as Geograph's: landscapes, buildings and details of Britain and Ireland.
Models of this kind lean on the distance if it is given: try a photo with its distance unknown
before you trust its tags."""

LICENCES: Final = """\
## Licences

The software is under the MIT licence, and so are the weights of OpenAI's CLIP. A head that was
trained from Geograph's released weights or on Geograph's dataset inherits **CC BY-SA 4.0**
(Geograph Project Limited and the photographs' authors): name them, and share it alike."""

NOT_MEASURED: Final = """\
## Not measured

Accuracy on Geograph's photographs, beyond the metrics above if there are any; any execution on
CUDA; fidelity on photographs other than those that are named above. The digests in the manifest
prove that files are whole; they do not prove who made them."""


def model_card(manifest: Manifest) -> str:
    """Return the card as Markdown; the manifest does not have the card itself yet."""
    return "\n\n".join(_sections(manifest)) + "\n"


def _sections(manifest: Manifest) -> Iterator[str]:
    yield f"# {manifest.name} {manifest.version}"
    if manifest.encoder is not None and manifest.encoder.stand_in:
        yield STAND_IN
    yield USE
    yield _files(manifest)
    yield _encoder(manifest.encoder)
    yield _head(manifest.head, manifest.thresholds)
    yield _fidelity(manifest.fidelity)
    yield LICENCES
    yield NOT_MEASURED


def _files(manifest: Manifest) -> str:
    rows = [
        f"| `{file.path}` | {file.role} | {file.precision or ''} | {file.size / 1e6:.1f} MB | "
        f"`{file.sha256[:12]}` |"
        for file in manifest.files
    ]
    head = ["## Files", "", "| file | role | precision | size | SHA-256 |", "|---|---|---|---|---|"]
    return "\n".join(head + rows)


def _encoder(source: EncoderSource | None) -> str:
    if source is None:
        return "## Encoder\n\nNone: this bundle scores stored embeddings only."
    kind = "seeded random numbers" if source.stand_in else "CLIP ViT-B/32 (QuickGELU)"
    return (
        f"## Encoder\n\nWeights: `{source.weights}`, {kind}. Digest of their values: "
        f"`{source.sha256}`."
    )


def _head(source: HeadSource | None, thresholds: Thresholds) -> str:
    if source is None:
        return "## Head\n\nNone: this bundle makes embeddings only."
    lines = [f"## Head\n\n`{source.name}`, SHA-256 `{source.sha256}`."]
    if source.dataset_sha256 is not None:
        lines.append(f"Trained on the data with SHA-256 `{source.dataset_sha256}`.")
    lines += _thresholds(thresholds)
    if source.metrics:
        lines.append(_table("metric", sorted(source.metrics.items())))
    else:
        lines.append("Its scores are not known here.")
    if source.configuration:
        lines.append(_table("setting", sorted(source.configuration.items())))
    return "\n\n".join(lines)


def _thresholds(thresholds: Thresholds) -> Iterator[str]:
    for state in STATES:
        found = thresholds.of(state)
        tags = ", ".join(f"{k} {v:.3g}" for k, v in found.tags.items())
        yield f"Thresholds, distance {state}: {tags}."
        certain = found.certain.items()
        tags = ", ".join(f"{k} {v.threshold:.3g} ({v.coverage:.0%})" for k, v in certain)
        if thresholds.guarantee:
            yield (
                f"Certain tags, distance {state}: {thresholds.guarantee}, on photos like those it "
                f"was measured on, from (with the share of the class's photos): {tags or 'none'}."
            )
    if thresholds.guarantee is None:
        yield "It has no thresholds for certain tags."


def _table(name: str, rows: Iterable[tuple[str, object]]) -> str:
    body = [f"| {k} | {f'{v:.4g}' if isinstance(v, float) else v} |" for k, v in rows]
    return "\n".join([f"| {name} | value |", "|---|---|", *body])


def _fidelity(measured: tuple[Fidelity, ...]) -> str:
    rows = [
        f"| `{f.path}` | {f.reference} | {f.samples} | "
        f"{'' if f.minimum_cosine is None else f'{f.minimum_cosine:.7f}'} | "
        f"{f.maximum_difference:.1e} |"
        for f in measured
    ]
    head = [
        "## Fidelity",
        "",
        "Measured before each file was accepted.",
        "",
        "| file | against | samples | worst cosine | largest difference |",
        "|---|---|---|---|---|",
    ]
    quantised = [_quantised(f) for f in measured if f.centred_cosine_mean is not None]
    return "\n\n".join(["\n".join(head + rows), *quantised])


def _quantised(measured: Fidelity) -> str:
    flipped = "not measured" if measured.flipped_tags is None else f"{measured.flipped_tags:.2%}"
    costs = (f"`{name}` (would cost {cost:.1e})" for name, cost in measured.kept_float32.items())
    kept = ", ".join(costs) or "none"
    return (
        f"`{measured.path}` was fitted to {measured.calibration}. Cosine with the mean vector "
        f"taken off: {measured.centred_cosine_mean} on average, {measured.centred_cosine_p1} at "
        f"the 1st percentile. Tags flipped: {flipped}. Kept in float32: {kept}."
    )
