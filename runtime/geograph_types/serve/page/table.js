// Results as CSV (RFC 4180), with those of the columns of `geograph-types tag` that apply here.

export function table(photos, classes) {
  const probabilities = classes.map((name) => `p_${name.toLowerCase().replaceAll(" ", "_")}`);
  const header = [
    "photo", "status", "detail", "tags", "certain", "low_confidence", ...probabilities,
    "distance_metres", "distance_bucket", "distance_basis", "distance_source", "cross_grid",
    "model", "stand_in",
  ];
  const rows = photos.map(({ name, said, detail, distance, model, standIn }) => {
    if (!said) return [name, "failed", detail, ...header.slice(3).map(() => "")];
    const values = said.probabilities.map((value) => value.toFixed(7));
    const { metres, bucket, basis, source, cross_grid: crossGrid } = distance;
    const far = [metres ?? "", bucket, basis, source, crossGrid];
    const tags = [said.tags.join(","), said.certain.join(","), said.low];
    return [name, "ok", "", ...tags, ...values, ...far, model, standIn];
  });
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  let text = String(value).replace(/\p{Cc}/gu, " ");
  // A spreadsheet would take such text for a formula; a number may well be below zero.
  if (typeof value === "string" && /^\s*[=+\-@]/.test(text)) text = `'${text}`;
  return /[",;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
