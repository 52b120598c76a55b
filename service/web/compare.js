// Two rankings side by side: the served version against another version, or against one part of its own scores.
// The state of the page is in its address: compare?q=red+shoes&with=part:text&k=100 or &with=version:ID.

import { Problem, adminToken, ask, isAborted } from "./api.js";
import { servedCatalog } from "./catalog.js";
import { fillList, forgetAll, setUpList, showPlace, step } from "./compare_list.js";
import { bothRankings, makeReady, partOf, versionOf } from "./compare_rankings.js";
import { showSides } from "./compare_sides.js";
import { button, byId, el, sentence, stateBox } from "./dom.js";
import { setUpOpenedProduct, showOpenedProduct } from "./opened_product.js";
import { openSignIn, setUpSignIn } from "./sign_in.js";
import { closeWhy } from "./why.js";

const DEBOUNCE_MS = 200;
const SLOW_MS = 1000; // after which the page says that it still waits
const DEPTHS = [10, 20, 50, 100];
const PARTS = { text: "Titles alone", photo: "Photos alone" };

const view = { query: "", other: null, depth: 100 };
let catalog = null; // of the served version that answered last
let versions = []; // versions of the store; readable with the token
let versionsFault = null; // why they cannot be read
let whySignedOut = null; // why the token was forgotten
let running = null;
let typing = null;
let shown = null; // both rankings that are shown: { left, right, query, catalog }

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const depth = Number(parameters.get("k"));
  view.query = (parameters.get("q") ?? "").trim();
  view.other = parameters.get("with");
  view.depth = DEPTHS.includes(depth) ? depth : 100;
  byId("query").value = view.query;
  byId("depth").value = String(view.depth);
}

/** Read the store's versions. Without the token only parts of the served version can be compared. */
async function readVersions() {
  versionsFault = null;
  try {
    versions = adminToken() ? (await ask("admin/versions", { admin: true })).versions : [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    versions = [];
    versionsFault = error.message;
  }
  showOthers();
  await load();
}

/** Take the catalogue of the served version that answered. With another version there are other things to compare with. */
function takeCatalog(next) {
  if (next.index_version === catalog?.index_version) return;
  catalog = next;
  forgetAll("Another version is served since; compare again.");
  showOthers();
}

function canaries() {
  return versions.find(({ version }) => version === catalog.index_version)?.figures?.canary_queries ?? [];
}

function showOthers() {
  byId("take-canaries").hidden = !canaries().length;
  const parts = catalog.parts.length > 1 ? catalog.parts.map((part) => [`part:${part}`, PARTS[part]]) : [];
  const others = versions
    .filter(({ version, figures }) => version !== catalog.index_version && figures)
    .map(({ version, figures }) => [`version:${version}`, `${figures.model}, ${version}`]);
  const offered = [...parts, ...others];
  if (!view.other) view.other = offered[0]?.[0] ?? null;
  if (view.other && !offered.some(([value]) => value === view.other)) offered.push([view.other, `${nameOfOther()} (${whyNotOther()})`]);
  byId("other").replaceChildren(
    ...offered.map(([value, words]) => el("option", { value, selected: value === view.other }, words)),
    offered.length && adminToken() && !versionsFault
      ? ""
      : el("option", { value: "", disabled: true }, `other versions: ${versionsFault ?? "sign in"}`),
  );
}

/** Why what the address names is not among what can be compared, in a few words. */
function whyNotOther() {
  if (partOf(view.other)) return "not with this model";
  if (versionOf(view.other) === catalog.index_version) return "served now";
  return adminToken() ? "not in the store" : "sign in";
}

function nameOfOther() {
  const id = versionOf(view.other);
  if (id === null) return PARTS[partOf(view.other)] ?? "";
  const model = versions.find(({ version }) => version === id)?.figures?.model;
  return model ? `${model}, ${id}` : id;
}

function nameOfServed() {
  return `${catalog.model}, ${catalog.index_version}`;
}

/** Why titles or photos alone cannot be compared with the served version. */
function whyNoParts() {
  return catalog.parts.length ? "This model has one part alone." : "This model mixes title and photo, so that neither ranks alone.";
}

function go(change, { keep = false } = {}) {
  clearTimeout(typing);
  Object.assign(view, change);
  if ("other" in change || "depth" in change) forgetAll();
  const parameters = new URLSearchParams();
  if (view.query) parameters.set("q", view.query);
  if (view.other) parameters.set("with", view.other);
  parameters.set("k", view.depth);
  history[keep ? "replaceState" : "pushState"](null, "", `compare?${parameters}`);
  return load();
}

async function load() {
  if (!catalog) return; // start() calls this again once the catalogue is read
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  closeWhy();
  showPlace();
  showLoading(null);
  const [title, words] = whyNothing();
  if (title) return showState(title, words);
  byId("sides").setAttribute("aria-busy", "true");
  let slow = null;
  try {
    await makeOtherReady(signal);
    slow = setTimeout(() => showLoading("Still searching …"), SLOW_MS);
    const { query } = view;
    const [left, right] = await rankings(query, signal);
    if (signal.aborted) return;
    shown = { left, right, query, catalog };
    showBoth();
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    if (await isOutdated()) return load();
    showFault(error);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) {
      showLoading(null);
      byId("sides").setAttribute("aria-busy", "false");
    }
  }
  showOpenedProduct();
}

/** Why there is nothing to show for this address: a title and words, or nothing. */
function whyNothing() {
  if (!view.other) return ["There is nothing to compare with", `${whyNoParts()} Sign in to compare versions.`];
  if (versionOf(view.other) === catalog.index_version) return [`${versionOf(view.other)} is served now`, "Choose something else to compare it with."];
  if (partOf(view.other) && !(catalog.parts.length > 1 && catalog.parts.includes(partOf(view.other))))
    return [`${nameOfOther() || "This part"} cannot be compared`, whyNoParts()];
  if (!view.query) return ["Which query?", "Type one, or paste a list of queries to step through."];
  return [];
}

/** Whether another version is served than the page knows; then it knows that one. */
async function isOutdated() {
  const next = await servedCatalog().catch(() => catalog); // a second fault: the first one is shown
  const isOther = next.index_version !== catalog.index_version;
  takeCatalog(next);
  return isOther;
}

/** Both rankings for a query: [left, right]. */
async function rankings(query, signal) {
  const { left, right, catalog: its } = await bothRankings({ ...view, query }, signal);
  if (!signal.aborted) takeCatalog(its);
  return [left, right];
}

async function makeOtherReady(signal) {
  if (versionOf(view.other) !== null) await makeReady(versionOf(view.other), showLoading, signal);
}

function showLoading(words) {
  byId("loading").hidden = words === null;
  if (words !== null) byId("loading").replaceChildren(el("progress", { "aria-label": "Loading" }), el("span", {}, words));
}

function showState(title, words) {
  forgetShown();
  byId("sides").setAttribute("aria-busy", "false");
  byId("sides").replaceChildren(stateBox(title, { words }));
  showOpenedProduct();
}

function showFault(problem) {
  forgetShown();
  const tokenWords = whySignedOut ?? "Sign in to load one beside the served version.";
  byId("sides").replaceChildren(
    problem.status === 401
      ? stateBox("Another version needs the admin token", { words: tokenWords, act: button("Sign in", openSignIn), isFault: true })
      : stateBox("This cannot be compared", {
          words: sentence(problem.message), act: button("Try again", catalog ? load : readCatalog), isFault: true,
        }),
  );
}

function forgetShown() {
  shown = null;
  byId("summary").replaceChildren();
}

function showBoth() {
  const { left, right } = shown;
  const names = partOf(view.other) ? ["Title and photo", nameOfOther()] : ["Served", "Against it"];
  const details = [nameOfServed(), partOf(view.other) ? nameOfServed() : nameOfOther()];
  showSides([left, right].map((found, side) => ({
    found, name: names[side], detail: details[side], catalog: { ...catalog, index_version: found.index_version },
  })));
}

/** What the dialog of a product needs of a hit that is shown: it is explained by its place in the served ranking, if it has one. */
function findShown(productId) {
  const [left, right] = [shown?.left, shown?.right].map((found) => found?.hits.find((hit) => hit.product_id === productId));
  if (left) return { hit: left, catalog: shown.catalog, query: shown.query, filters: {} };
  return right ? { hit: right, catalog: shown.catalog, query: null } : null;
}

function setUp() {
  byId("query").addEventListener("input", takeQuerySoon);
  byId("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    go({ query: byId("query").value.trim() });
  });
  byId("other").addEventListener("change", () => go({ other: byId("other").value, query: byId("query").value.trim() }));
  byId("depth").addEventListener("change", () => go({ depth: Number(byId("depth").value), query: byId("query").value.trim() }));
  byId("take-canaries").addEventListener("click", () => fillList(canaries()));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "n") step(1);
    if (event.key === "p") step(-1);
  });
  addEventListener("popstate", followHistory);
  setUpList({
    query: () => view.query, show: showQuery, rankings, prepare: makeOtherReady,
    names: () => `${nameOfServed()} against ${nameOfOther()}`,
  });
  setUpOpenedProduct(findShown, load);
  setUpSignIn((signedIn, why) => {
    whySignedOut = why;
    if (catalog) readVersions();
  });
}

function takeQuerySoon() {
  clearTimeout(typing);
  typing = setTimeout(() => go({ query: byId("query").value.trim() }, { keep: true }), DEBOUNCE_MS);
}

function showQuery(query) {
  byId("query").value = query;
  go({ query });
}

/** Show the comparison in an address that the browser went to, such as the one before. */
function followHistory() {
  clearTimeout(typing);
  const before = JSON.stringify(view);
  readAddress();
  if (!catalog) return;
  showOthers();
  if (JSON.stringify(view) === before) return showOpenedProduct();
  forgetAll();
  load();
}

async function readCatalog() {
  byId("sides").replaceChildren(el("p", { class: "state note", role: "status" }, "Reading the catalogue …"));
  try {
    takeCatalog(await servedCatalog());
  } catch (error) {
    showFault(error);
    return;
  }
  await readVersions();
}

function start() {
  const early = byId("query").value; // typed while this script was loading
  readAddress();
  if (early) {
    byId("query").value = early;
    takeQuerySoon();
  }
  setUp();
  readCatalog();
}

start();
