// Distances as the model reads them: 22 buckets from 0 m to 2^20 m by powers of two, and unknown.

export const UNKNOWN = 22;

// The least metres of each bucket, by its index; nothing for unknown.
export const LEAST = [0, ...Array.from({ length: 21 }, (_, power) => 2 ** power), null];

const number = new Intl.NumberFormat("en");

export function bucketOf(metres) {
  if (metres === null || metres >= 2 ** 21) return UNKNOWN;
  return 32 - Math.clz32(Math.floor(metres));
}

// On a slider unknown comes first, apart from the distances that grow to its right.
export function placeOf(bucket) {
  return (bucket + 1) % LEAST.length;
}

export function bucketAt(place) {
  return (place + UNKNOWN) % LEAST.length;
}

const grounds = {
  metres: "The photo\u2019s file states this distance.",
  positions: "Measured between the positions of camera and subject in the photo\u2019s file.",
};

// What the distance rests on that the service found by itself.
export function ground({ basis }) {
  return grounds[basis] ?? "The photo\u2019s file does not tell its distance.";
}

export function words(bucket) {
  if (bucket === UNKNOWN) return "unknown";
  if (bucket === 0) return "below 1 m";
  const least = LEAST[bucket];
  return `${number.format(least)} to ${number.format(2 * least)} m`;
}
