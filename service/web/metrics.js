// Metrics of the service, parsed from the text format of Prometheus.

/** Samples of the text format: [{ name, labels, value }]. */
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    samples.push({ name: found[1], labels, value: Number(found[3].replace("+Inf", "Infinity")) });
  }
  return samples;
}

/** The sum of all samples of this name with these labels. */
export function sum(samples, name, labels = {}) {
  return samples
    .filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0);
}

/** Cumulative buckets of a histogram: [[upper bound, count]], by bound. */
export function buckets(samples, name, labels) {
  return samples
    .filter((sample) => sample.name === `${name}_bucket` && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .map(({ labels: { le }, value }) => [Number(le.replace("+Inf", "Infinity")), value])
    .sort(([one], [other]) => one - other);
}

/** The difference between two readings of the same buckets. */
export function between(before, after) {
  return after.map(([bound, value], place) => [bound, value - (before[place]?.[1] ?? 0)]);
}

/**
 * A quantile, interpolated within its bucket as Prometheus does; null if nothing was observed.
 * Values above the last finite bound count as that bound.
 */
export function quantile(share, cumulative) {
  const total = cumulative.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const wanted = share * total;
  const place = cumulative.findIndex(([, number]) => number >= wanted);
  const [low, below] = place > 0 ? cumulative[place - 1] : [0, 0];
  const [high, reached] = cumulative[place];
  return high === Infinity ? low : low + ((high - low) * (wanted - below)) / (reached - below);
}
