// Two rankings side by side: the served version against another version, or against one part of its own scores.
// The state of the page is in its address: /compare?q=red+shoes&with=part:text&k=100 or &with=version:ID.

import { Problem, adminToken, ask, isAborted } from "./api.js";
import { cardButton } from "./cards.js";
import { announce, button, byId, count, el, ordinal, plural, sentence, stateBox } from "./dom.js";
import { openSignIn, setUpSignIn } from "./sign_in.js";
import { openWhy, setUpWhy } from "./why.js";

const DEBOUNCE_MS = 200;
const POLL_MS = 400; // while a version is loaded
const SHOWN = 20; // of each side, before "all"
const LIST_KEY = "vitrine-queries"; // in this tab alone, since queries of shoppers are private
const PARTS = { text: "Titles alone", photo: "Photos alone" };
const SIDES = ["left", "right"];

const view = { query: "", other: null, depth: 100 };
let catalog = null;
let versions = []; // versions of the store; readable with the token
let versionsFault = null; // why they cannot be read
let running = null;
let summing = null; // the comparison over all queries
let typing = null;
let isAllShown = false;

async function start() {
  try {
    catalog = await ask("/catalog");
  } catch (error) {
    showFault(error);
    return;
  }
  byId("list").value = sessionStorage.getItem(LIST_KEY) ?? "";
  readAddress();
  await readVersions();
}

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  view.query = (parameters.get("q") ?? "").trim();
  view.other = parameters.get("with");
  view.depth = [10, 20, 50, 100].includes(Number(parameters.get("k"))) ? Number(parameters.get("k")) : 100;
  byId("query").value = view.query;
  byId("depth").value = String(view.depth);
}

/** Read the store's versions. Without the token only parts of the served version can be compared. */
async function readVersions() {
  versionsFault = null;
  try {
    versions = adminToken() ? (await ask("/admin/versions", { admin: true })).versions : [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    versions = [];
    versionsFault = error.message;
  }
  byId("take-canaries").hidden = !canaries().length;
  showOthers();
  await load();
}

function canaries() {
  return versions.find(({ version }) => version === catalog.index_version)?.figures?.canary_queries ?? [];
}

function showOthers() {
  const parts = catalog.parts.length > 1 ? catalog.parts.map((part) => [`part:${part}`, PARTS[part]]) : [];
  const others = versions
    .filter(({ version, figures }) => version !== catalog.index_version && figures)
    .map(({ version, figures }) => [`version:${version}`, `${figures.model}, ${version}`]);
  const offered = [...parts, ...others];
  const isOffered = offered.some(([value]) => value === view.other);
  if (view.other && !isOffered) offered.push([view.other, `${nameOfOther()}${adminToken() ? "" : " (sign in)"}`]);
  if (!view.other) view.other = offered[0]?.[0] ?? null;
  byId("other").replaceChildren(
    ...offered.map(([value, words]) => el("option", { value, selected: value === view.other }, words)),
    offered.length && adminToken() && !versionsFault
      ? ""
      : el("option", { value: "", disabled: true }, `other versions: ${versionsFault ?? "sign in"}`),
  );
}

/** The version that the served one is compared with; null for a part of its own scores. */
function otherVersion() {
  return view.other?.startsWith("version:") ? view.other.slice("version:".length) : null;
}

function nameOfOther() {
  const id = otherVersion();
  if (id === null) return PARTS[view.other?.slice("part:".length)] ?? "";
  const model = versions.find(({ version }) => version === id)?.figures?.model;
  return model ? `${model}, ${id}` : id;
}

/** Why titles or photos alone cannot be compared with the served version. */
function whyNoParts() {
  return catalog.parts.length ? "This model has one part alone." : "This model mixes title and photo, so that neither ranks alone.";
}

function go(change, { keep = false } = {}) {
  Object.assign(view, change);
  if ("other" in change || "depth" in change) forgetAll();
  const parameters = new URLSearchParams();
  if (view.query) parameters.set("q", view.query);
  if (view.other) parameters.set("with", view.other);
  parameters.set("k", view.depth);
  history[keep ? "replaceState" : "pushState"](null, "", `/compare?${parameters}`);
  return load();
}

async function load() {
  clearTimeout(typing);
  if (!catalog) return; // start() calls this again once the catalogue is read
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  showPlace();
  showLoading(null);
  if (!view.other) return showState("There is nothing to compare with", `${whyNoParts()} Sign in to compare versions.`);
  if (!view.query) return showState("Which query?", "Type one, or paste a list of queries to step through.");
  byId("sides").setAttribute("aria-busy", "true");
  try {
    await makeOtherReady(signal);
    showSides(...(await bothOf(view.query, signal)));
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    showFault(error);
  }
  byId("sides").setAttribute("aria-busy", "false");
}

/** Search both sides for a query. */
async function bothOf(query, signal) {
  const body = { query, k: view.depth };
  const part = view.other.startsWith("part:") ? view.other.slice("part:".length) : null;
  const other = part
    ? ask("/search", { body: { ...body, part }, signal })
    : ask("/admin/compare/search", { body, signal, admin: true });
  const both = await Promise.all([ask("/search", { body, signal }), other]);
  if (!part && both[1].index_version !== otherVersion())
    throw new Problem(409, "conflict", `somebody else loaded ${both[1].index_version} in the place of ${otherVersion()}`);
  return both;
}

/** Load the other version if it is not loaded yet. */
async function makeOtherReady(signal) {
  const id = otherVersion();
  if (id === null) return;
  let state = await ask("/admin/compare", { admin: true, signal });
  if (state.version === id && !state.loading) return;
  const started = Date.now();
  const tell = () => {
    const act = (state.loading ?? id) === id ? `Loading ${id} beside the served version` : `Waiting until ${state.loading} is loaded`;
    if (!signal?.aborted) showLoading(`${act} … ${count((Date.now() - started) / 1000)} s`);
  };
  tell();
  const ticking = setInterval(tell, POLL_MS);
  try {
    for (let isBegun = false; state.version !== id || state.loading; ) {
      if (state.loading) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        state = await ask("/admin/compare", { admin: true, signal });
      } else if (isBegun) throw new Problem(422, "version-refused", `version ${id} could not be loaded; the service's log says why`);
      else {
        isBegun = true;
        state = await ask("/admin/compare/load", { admin: true, signal, body: { version: id } });
      }
    }
  } finally {
    clearInterval(ticking);
    if (!signal?.aborted) showLoading(null);
  }
}

function showLoading(words) {
  byId("loading").hidden = words === null;
  if (words !== null) byId("loading").replaceChildren(el("progress", { "aria-label": "Loading" }), el("span", {}, words));
}

function showState(title, words) {
  byId("sides").setAttribute("aria-busy", "false");
  byId("summary").replaceChildren();
  byId("sides").replaceChildren(stateBox(title, { words }));
}

function showFault(problem) {
  byId("summary").replaceChildren();
  const needsToken = problem.status === 401;
  const tokenWords = adminToken() ? "The service does not take this token any more." : "Sign in to load one beside the served version.";
  byId("sides").replaceChildren(
    needsToken
      ? stateBox("Another version needs the admin token", { words: tokenWords, act: button("Sign in", openSignIn), isFault: true })
      : stateBox("This cannot be compared", {
          words: sentence(problem.message), act: button("Try again", catalog ? load : start), isFault: true,
        }),
  );
}

/** The products that only one side finds among its first, and those that both find. */
function difference(left, right) {
  const places = [left, right].map(({ hits }) => new Map(hits.map((hit) => [hit.product_id, hit.rank])));
  const both = left.hits.filter((hit) => places[1].has(hit.product_id)).length;
  return { places, both, only: [left.hits.length - both, right.hits.length - both] };
}

function showSides(left, right) {
  const { places, both, only } = difference(left, right);
  byId("summary").replaceChildren(...summaryOf(both, only));
  const isPart = otherVersion() === null;
  const served = `${catalog.model}, ${left.index_version}`;
  const names = isPart ? ["Title and photo", nameOfOther()] : ["Served", "Against it"];
  const details = isPart ? [served, served] : [served, nameOfOther()];
  byId("sides").replaceChildren(
    ...[left, right].map((found, number) =>
      sideOf(found, number, [names[number], details[number]], places[1 - number], only[number]),
    ),
  );
  announce(`${both} in both, ${only[0]} only left, ${only[1]} only right`);
}

function summaryOf(both, only) {
  const parts = [["only-left", only[0]], ["in-both", both], ["only-right", only[1]]];
  const bar = el("div", { class: "shares", "aria-hidden": "true" }, ...parts.map(([name, number]) => {
    const share = el("span", { class: name });
    share.style.setProperty("flex-grow", number);
    return share;
  }));
  const words = [`only left`, `in both`, `only right`];
  return [
    bar,
    el("ul", { class: "legend" }, ...parts.map(([name, number], place) =>
      el("li", { class: name }, el("strong", {}, count(number)), ` ${words[place]}`),
    )),
  ];
}

function sideOf(found, number, [name, detail], placesThere, exclusive) {
  const side = SIDES[number];
  const catalogOfSide = { ...catalog, index_version: found.index_version };
  const cards = (isAllShown ? found.hits : found.hits.slice(0, SHOWN)).map((hit) => {
    const there = placesThere.get(hit.product_id);
    const isServed = number === 0 || otherVersion() === null;
    const context = { catalog, query: isServed ? view.query : null, filters: {}, addressOfSimilar: similarAddress };
    // A hit of the other ranking is explained by its place in the served one, if it has one there.
    const explained = number === 0 ? hit : { ...hit, rank: there ?? hit.rank };
    const canOpen = number === 0 || (isServed && there !== undefined);
    const card = cardButton(hit, catalogOfSide, () => openWhy(explained, canOpen ? context : { ...context, query: null }));
    card.append(el("span", { class: "rank", "aria-hidden": "true" }, hit.rank));
    card.dataset.product = hit.product_id;
    const mark = there === undefined
      ? el("span", { class: "mark" }, "only here")
      : el("span", { class: "also" }, there === hit.rank ? "same place" : `there ${ordinal(there)}`);
    return el("li", { class: `card ${there === undefined ? "exclusive" : ""}` }, card, mark);
  });
  const more = found.hits.length - cards.length;
  return el(
    "section", { class: `side of-${side}`, "aria-labelledby": `${side}-title` },
    el("h2", { id: `${side}-title` }, name),
    el("p", { class: "note" }, `${detail}: ${plural(exclusive, "exclusive match", "exclusive matches")}`),
    el("ol", { class: "grid small" }, ...cards),
    more > 0 ? button(`Show ${count(more)} more`, showAll, "quiet") : null,
  );
}

function similarAddress(product) {
  return `/?${new URLSearchParams({ like: product })}`;
}

function showAll() {
  isAllShown = true;
  load();
}

/* The list of queries */

function listed() {
  return byId("list").value.split("\n").map((line) => line.trim()).filter(Boolean);
}

function showPlace() {
  const queries = listed();
  const place = queries.indexOf(view.query);
  byId("stepper").hidden = !queries.length;
  byId("place").textContent =
    place < 0 ? plural(queries.length, "query", "queries") : `${place + 1} of ${plural(queries.length, "query", "queries")}`;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place === queries.length - 1;
}

function step(by) {
  const queries = listed();
  const place = queries.indexOf(view.query);
  const next = place < 0 ? 0 : Math.min(Math.max(place + by, 0), queries.length - 1);
  if (!queries.length || queries[next] === view.query) return;
  byId("query").value = queries[next];
  go({ query: queries[next] });
}

/** The paper's net predictions over the whole list: how many products only one side finds. */
async function compareAll() {
  const queries = [...new Set(listed())];
  if (!queries.length || !view.other) return;
  byId("run-all").disabled = true;
  summing = new AbortController();
  const { signal } = summing;
  const rows = [];
  try {
    await makeOtherReady(signal);
    for (const query of queries) {
      rows.push({ query, ...difference(...(await bothOf(query, signal))) });
      byId("all").replaceChildren(el("p", { class: "note" }, `${rows.length} of ${queries.length} …`));
    }
    showAllRows(rows);
  } catch (error) {
    if (!isAborted(error) && !(error instanceof Problem)) throw error;
    byId("all").replaceChildren(signal.aborted ? "" : el("p", { class: "fault", role: "alert" }, sentence(error.message)));
  }
  byId("run-all").disabled = false;
}

/** Remove a summary that belongs to another comparison. */
function forgetAll() {
  summing?.abort();
  byId("all").replaceChildren();
}

function showAllRows(rows) {
  const figures = { "only left": ({ only }) => only[0], "in both": ({ both }) => both, "only right": ({ only }) => only[1] };
  const head = el("tr", {}, el("th", { scope: "col" }, "query"), ...Object.keys(figures).map((name) => el("th", { scope: "col" }, name)));
  const mean = el(
    "tr", { class: "mean" },
    el("th", { scope: "row" }, `mean ± standard deviation of ${plural(rows.length, "query", "queries")}`),
    ...Object.values(figures).map((figure) => el("td", {}, meanAndDeviation(rows.map(figure)))),
  );
  const body = rows.map((row) =>
    el(
      "tr", {},
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => show(row.query) }, row.query)),
      ...Object.values(figures).map((figure) => el("td", {}, count(figure(row)))),
    ),
  );
  const table = el("table", {}, el("thead", {}, head), el("tbody", {}, mean, ...body));
  byId("all").replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All queries" }, table));
}

function show(query) {
  byId("query").value = query;
  go({ query });
  byId("sides").scrollIntoView({ block: "start" });
}

function meanAndDeviation(numbers) {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length;
  return `${count(mean, 1)} ± ${count(Math.sqrt(variance), 1)}`;
}

function setUp() {
  byId("query").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => go({ query: byId("query").value.trim() }, { keep: true }), DEBOUNCE_MS);
  });
  byId("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    go({ query: byId("query").value.trim() });
  });
  byId("other").addEventListener("change", () => go({ other: byId("other").value }));
  byId("depth").addEventListener("change", () => go({ depth: Number(byId("depth").value) }));
  byId("list").addEventListener("input", () => {
    sessionStorage.setItem(LIST_KEY, byId("list").value);
    showPlace();
  });
  byId("take-canaries").addEventListener("click", () => {
    byId("list").value = canaries().join("\n");
    byId("list").dispatchEvent(new Event("input"));
    if (!view.query) step(1);
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("run-all").addEventListener("click", compareAll);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "n") step(1);
    if (event.key === "p") step(-1);
  });
  addEventListener("popstate", () => {
    readAddress();
    showOthers();
    load();
  });
}

setUp();
setUpWhy();
setUpSignIn(() => catalog && readVersions());
start();
