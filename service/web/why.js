// Why a product was found: the shares of its title and photo, its place by each of them alone, and similar products.

import { Problem, ask, isAborted } from "./api.js";
import { cardLink, photo, titleOf } from "./cards.js";
import { otherVersionProblem, servedCatalog, withCatalog } from "./catalog.js";
import { addDialog, button, byId, count, el, factList, fixed, ordinal, plural, sentence } from "./dom.js";

const SIMILAR_SHOWN = 6;
const FIRST_LOOK = 100; // places that are searched first; the rest up to MOST_PLACES only if needed
const MOST_PLACES = 1000; // the last place that a search can reach
const HIDDEN_FIELDS = ["rank", "score", "explain", "product_id", "title", "image"];
const PART_NAMES = { text: "Title", photo: "Photo", prior: "Popularity" };

let page = null; // what setUpWhy was given
let shown = null; // the id of the product in the open dialog
let running = null; // the requests of the open dialog

/**
 * Create the dialog.
 * given: { leave(), open(product_id), addressOf(product_id), searchAgain() }. leave is called when somebody wants to close the
 * dialog, which stays open until closeWhy; open when somebody follows a similar product.
 */
export function setUpWhy(given) {
  page = given;
  const dialog = addDialog({ id: "why", "aria-labelledby": "why-title" }, el("div", { id: "why-content", class: "why" }));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    page.leave();
  });
  dialog.addEventListener("close", () => {
    if (shown !== null && !dialog.open) page.leave(); // a browser may close it without asking
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.requestClose();
  });
}

/**
 * Open the dialog on a product.
 * found: { hit, catalog, query, filters } of a hit, with the catalogue of the version that found it; its query is null if none
 * explains it. Null for a product that is not among the hits: it is looked up.
 */
export async function showWhy(productId, found) {
  shown = productId;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  if (found) return showProduct(found, signal);
  showMessage("Loading …");
  try {
    const lookUp = () => ask(`products/${encodeURIComponent(productId)}`, { signal });
    const [{ product }, catalog] = await withCatalog(lookUp, signal);
    showProduct({ hit: product, catalog, query: null }, signal);
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    showMessage("This product cannot be shown", sentence(error.message), actAfter(error, () => showWhy(productId, null)));
  }
}

/** Close the dialog and abort its requests. */
export function closeWhy() {
  shown = null;
  running?.abort();
  byId("why").close();
}

function showContent(...content) {
  const dialog = byId("why");
  byId("why-content").replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function showMessage(title, words = "", act = "") {
  showContent(el("div", { class: "why-message" }, el("h2", { id: "why-title" }, title), el("p", {}, words), act));
}

function showProduct(found, signal) {
  const parts = el("section", { class: "why-parts", "aria-labelledby": "why-parts-title" });
  const similar = el("section", { class: "why-similar", "aria-labelledby": "why-similar-title" });
  showContent(
    el("div", { class: "why-photo" }, photo(found.hit, found.catalog, { size: "large", eager: true })),
    el("div", { class: "why-words" }, el("h2", { id: "why-title" }, titleOf(found.hit)), facts(found.hit), parts),
    similar,
  );
  if (found.query) fillIn(parts, `Why it is ${ordinal(found.hit.rank)}`, signal, () => partsOf(found, signal));
  fillIn(similar, "Similar products", signal, () => similarTo(found, signal));
}

/** Show a heading and what is loaded, or why it cannot be shown. */
async function fillIn(section, title, signal, load) {
  const heading = el("h3", { id: section.getAttribute("aria-labelledby") }, title);
  section.replaceChildren(heading, el("p", { class: "note" }, "Loading …"));
  try {
    section.replaceChildren(heading, ...(await load()));
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    const note = el("p", { class: "note", role: "alert" }, `This cannot be shown: ${error.message}.`);
    section.replaceChildren(heading, note, actAfter(error, () => fillIn(section, title, signal, load)));
  }
}

/** A button that may mend an error; none for a request that the service refuses each time. */
function actAfter({ kind, status }, tryAgain) {
  if (kind === "other-version") return button("Search again", page.searchAgain, "quiet");
  return [404, 422].includes(status) ? "" : button("Try again", tryAgain, "quiet");
}

/** The answer to a search by the version that found the hit. Another version's answer is a Problem, and so is its refusal. */
async function searchSameVersion(path, body, { catalog }, signal) {
  const isSame = ({ index_version: version }) => version === catalog.index_version;
  try {
    const answer = await ask(path, { body, signal });
    if (isSame(answer)) return answer;
  } catch (error) {
    if (![404, 422].includes(error.status) || isSame(await servedCatalog(signal))) throw error;
  }
  throw otherVersionProblem();
}

function facts(hit) {
  const shown = Object.entries(hit).filter(([name, value]) => !HIDDEN_FIELDS.includes(name) && value !== null);
  return factList([["id", hit.product_id], ...shown.map(([name, value]) => [name.replaceAll("_", " "), wordsOf(value)])]);
}

function wordsOf(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return Number.isInteger(value) ? count(value) : count(value, 2);
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function partsOf(found, signal) {
  const { hit, query, filters } = found;
  const body = { query, filters, k: 1, offset: hit.rank - 1, explain: true };
  const [explained] = (await searchSameVersion("search", body, found, signal)).hits;
  if (explained?.product_id !== hit.product_id)
    throw new Problem(409, "other-version", `another product is ${ordinal(hit.rank)} since`);
  const { kind, cosine, prior, ...values } = explained.explain;
  const parts = Object.keys(values);
  if (kind === "cosines") return [bars(explained), el("p", { class: "note" }, wordsOfMixed(hit, values.photo))];
  if (parts.length === 1)
    return [bars(explained), el("p", { class: "note" }, `This model knows ${parts[0] === "text" ? "titles" : "photos"} alone.`)];
  const places = await Promise.all(parts.map(async (part) => [part, await placeWith(part, found, signal)]));
  return [bars(explained), ...sentences(hit, new Map(places))];
}

/** The shares of title and photo as bars: parts, which add up to the score, or separate cosines. */
function bars(explained) {
  const { kind, cosine, ...values } = explained.explain;
  const given = Object.entries(values).filter(([, value]) => value !== null);
  const longest = Math.max(...given.map(([, value]) => Math.abs(value)), 1e-9);
  const rows = given.map(([name, value]) => {
    const bar = el("span", { class: `bar of-${name}${value < 0 ? " negative" : ""}` });
    bar.style.setProperty("--share", Math.abs(value) / longest);
    return el(
      "li", {},
      el("span", { class: "part" }, PART_NAMES[name] ?? name), bar,
      el("span", { class: "value" }, fixed(value, 3)),
    );
  });
  const score = el(
    "li", { class: "whole" },
    el("span", { class: "part" }, "Score"), el("span", {}),
    el("span", { class: "value" }, fixed(explained.score, 3)),
  );
  return el("ul", { class: "bars" }, ...rows, kind === "cosines" ? null : score);
}

/** The product's place by one part alone; null if it is beyond the last place that a search can reach. */
async function placeWith(part, found, signal) {
  const { query, filters, hit } = found;
  for (const [offset, k] of [[0, FIRST_LOOK], [FIRST_LOOK, MOST_PLACES - FIRST_LOOK]]) {
    const { hits } = await searchSameVersion("search", { query, filters, part, offset, k }, found, signal);
    const there = hits.find((other) => other.product_id === hit.product_id);
    if (there) return there.rank;
    if (hits.length < k) throw new Problem(0, "unknown", `a search by its ${PART_NAMES[part].toLowerCase()} does not list it`);
  }
  return null;
}

/** The places by each part, and what the photo changes. `places`: by part; null for one beyond the last. */
function sentences(hit, places) {
  const rows = [...places].map(([part, place]) =>
    el(
      "li", {},
      el("span", {}, `With the ${PART_NAMES[part].toLowerCase()} alone`),
      el("strong", {}, place ? ordinal(place) : `beyond ${count(MOST_PLACES)}`),
    ),
  );
  const whole = el("li", {}, el("span", {}, "With title and photo"), el("strong", {}, ordinal(hit.rank)));
  return [el("ul", { class: "places" }, whole, ...rows), el("p", { class: "note" }, movedBy(hit, places.get("text")))];
}

/** Of a model that mixes title and photo. It may not compare queries with photos, and a product may have none. */
function wordsOfMixed(hit, ofPhoto) {
  if (ofPhoto !== null)
    return "How near title and photo are to the query by themselves. This model mixes them, so neither has a place of its own.";
  if (!hit.image) return "How near the title is to the query by itself. There is no photo.";
  return "How near the title is to the query by itself. The photo is mixed into the product, and has no number of its own.";
}

function movedBy(hit, place) {
  if (place === null) return `By its title alone it would not be among the first ${count(MOST_PLACES)}.`;
  const moved = place - hit.rank;
  if (!moved) return "The photo leaves it where its title puts it.";
  return `The photo moves it ${moved > 0 ? "up" : "down"} ${plural(Math.abs(moved), "place")}.`;
}

async function similarTo(found, signal) {
  const body = { product_id: found.hit.product_id, k: SIMILAR_SHOWN };
  const { hits } = await searchSameVersion("search/similar", body, found, signal);
  const card = (other) => {
    const id = other.product_id;
    return el("li", {}, cardLink(other, found.catalog, page.addressOf(id), () => page.open(id)));
  };
  return [
    el("ul", { class: "strip" }, ...hits.map(card)),
    el("p", {}, el("a", { href: `./?${new URLSearchParams({ like: found.hit.product_id })}` }, "See more like this")),
  ];
}
