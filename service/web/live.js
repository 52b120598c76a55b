// Live numbers of the index page: rate and time of searches, from the service's metrics.

import { adminToken, ask } from "./api.js";
import { byId, count, el, fixed, svg } from "./dom.js";
import { between, buckets, parseMetrics, quantile, sum } from "./metrics.js";

const LIVE_MS = 2000; // between two readings of the metrics
const LIVE_READINGS = 90; // that are drawn: three minutes
const SEARCHES = ["/search", "/search/batch", "/search/similar"];

const readings = []; // the latest metrics: { at, requests, total, depth, hits, misses }
let attempt = null; // what setUpLive was given

/** Read the numbers again and again. tryIt(act, showFault): runs an action and shows why it failed. */
export function setUpLive(tryIt) {
  attempt = tryIt;
  pollLive();
}

async function pollLive() {
  if (adminToken() && !document.hidden) await readLive();
  setTimeout(pollLive, LIVE_MS);
}

/** Read the numbers now, and show them. */
export async function readLive() {
  await attempt(
    async () => {
      const samples = parseMetrics(await ask("metrics", { admin: true, as: "text" }));
      readings.push({
        at: performance.now(),
        requests: SEARCHES.reduce((total, route) => total + sum(samples, "vitrine_requests_total", { route }), 0),
        total: buckets(samples, "vitrine_search_seconds", { stage: "total" }),
        depth: sum(samples, "vitrine_queue_depth"),
        hits: sum(samples, "vitrine_cache_lookups_total", { outcome: "hit" }),
        misses: sum(samples, "vitrine_cache_lookups_total", { outcome: "miss" }),
      });
      readings.splice(0, readings.length - LIVE_READINGS);
      showLive();
    },
    (words) => byId("tiles").replaceChildren(tile("metrics", words)),
  );
}

/** The rates between two readings. */
function interval(before, after) {
  const searched = between(before.total, after.total);
  const looked = after.hits + after.misses - before.hits - before.misses;
  return {
    rate: Math.max(0, (1000 * (after.requests - before.requests)) / (after.at - before.at)),
    median_ms: toMs(quantile(0.5, searched)),
    p99_ms: toMs(quantile(0.99, searched)),
    cached: looked > 0 ? (after.hits - before.hits) / looked : null,
  };
}

function toMs(seconds) {
  return seconds === null ? null : 1000 * seconds;
}

function showLive() {
  const steps = readings.slice(1).map((reading, place) => interval(readings[place], reading));
  const minute = readings.length > 1 ? interval(readings.at(-Math.min(31, readings.length)), readings.at(-1)) : {};
  const ms = (number) => (number === null || number === undefined ? "–" : `${fixed(number, number < 10 ? 1 : 0)} ms`);
  byId("tiles").replaceChildren(
    tile("searches a second", minute.rate === undefined ? "–" : fixed(minute.rate, minute.rate < 10 ? 1 : 0)),
    tile("half are answered within", ms(minute.median_ms)),
    tile("99 of 100 within", ms(minute.p99_ms)),
    tile("waiting now", count(readings.at(-1).depth)),
    tile("answered from the cache", minute.cached === null || minute.cached === undefined ? "–" : `${count(100 * minute.cached)} %`),
  );
  byId("charts").replaceChildren(
    chart("Searches a second", steps.map(({ rate }) => rate), ""),
    chart("99 of 100 within", steps.map(({ p99_ms }) => p99_ms), "ms"),
  );
}

function tile(name, value) {
  return el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value));
}

/** A line over the last three minutes; a gap where nothing was searched. */
function chart(title, values, unit) {
  const [width, height, top] = [LIVE_READINGS - 1, 40, 4];
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 1e-9);
  const first = width - values.length + 1;
  let path = "";
  values.forEach((value, place) => {
    if (value === null) return;
    const begins = place === 0 || values[place - 1] === null;
    const [x, y] = [first + place - (begins ? 0.5 : 0), height - ((height - top) * value) / most];
    path += begins ? `M${x} ${y.toFixed(2)}h0.5` : `L${x} ${y.toFixed(2)}`;
  });
  const last = known.length ? `${count(known.at(-1), 1)} ${unit}` : "no searches";
  return el(
    "figure", { class: "chart" },
    el("figcaption", {}, el("span", {}, `${title}, last 3 minutes`), el("span", {}, known.length ? `highest ${count(most, 1)} ${unit}` : "")),
    svg(
      "svg", { viewBox: `0 0 ${width} ${height + 1}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${last}` },
      svg("path", { d: `M0 ${height}H${width}`, class: "axis" }),
      svg("path", { d: path, class: "curve-line" }),
    ),
  );
}
