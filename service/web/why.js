// Why a product was found: the shares of its title and photo, its place by each of them alone, and similar products.

import { Problem, ask, isAborted } from "./api.js";
import { cardButton, photo, titleOf } from "./cards.js";
import { addDialog, byId, count, el, factList, fixed, ordinal, plural } from "./dom.js";

const SIMILAR_SHOWN = 6;
const FIRST_LOOK = 100; // places that are searched first; the rest up to MOST_PLACES only if needed
const MOST_PLACES = 1000; // the last place that a search can reach
const HIDDEN_FIELDS = ["rank", "score", "explain", "product_id", "title", "image"];
const PART_NAMES = { text: "Title", photo: "Photo" };

let running = null; // the requests of the open dialog

/**
 * Open the dialog on a hit.
 * context: { catalog, query, filters, addressOfSimilar(product_id) }; query is null when the hits are similar to a product.
 */
export function openWhy(hit, context) {
  const dialog = byId("why");
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const parts = el("section", { class: "why-parts", "aria-labelledby": "why-parts-title" });
  const similar = el("section", { class: "why-similar", "aria-labelledby": "why-similar-title" });
  byId("why-content").replaceChildren(
    el("div", { class: "why-photo" }, photo(hit, context.catalog, { size: "large", eager: true })),
    el(
      "div", { class: "why-words" },
      el("h2", { id: "why-title" }, titleOf(hit)),
      facts(hit),
      parts,
    ),
    similar,
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  if (context.query) fillIn(parts, signal, () => partsOf(hit, context, signal));
  fillIn(similar, signal, () => similarTo(hit, context, signal));
}

/** Create the dialog. A click beside it closes it, and closing it aborts its requests. */
export function setUpWhy() {
  const dialog = addDialog({ id: "why", "aria-labelledby": "why-title" }, el("div", { id: "why-content", class: "why" }));
  dialog.addEventListener("close", () => running?.abort());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

async function fillIn(section, signal, load) {
  section.replaceChildren(el("p", { class: "note" }, "Loading …"));
  try {
    section.replaceChildren(...(await load()));
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    section.replaceChildren(el("p", { class: "note" }, `This cannot be shown: ${error.message}.`));
  }
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

async function partsOf(hit, context, signal) {
  const heading = el("h3", { id: "why-parts-title" }, `Why it is ${ordinal(hit.rank)}`);
  const { query, filters, catalog } = context;
  const body = { query, filters, k: 1, offset: hit.rank - 1, explain: true };
  const [explained] = (await ask("/search", { body, signal })).hits;
  if (explained?.product_id !== hit.product_id)
    return [heading, el("p", { class: "note" }, "Another version is served since; search again.")];
  const places = await Promise.all(
    catalog.parts.length > 1 ? catalog.parts.map((part) => placeWith(part, hit, context, signal)) : [],
  );
  return [heading, bars(explained), ...sentences(hit, explained.explain, catalog.parts, places)];
}

/** The shares of title and photo as bars: parts, which add up to the score, or separate cosines. */
function bars(explained) {
  const { kind, ...values } = explained.explain;
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
async function placeWith(part, hit, { query, filters }, signal) {
  for (const [offset, k] of [[0, FIRST_LOOK], [FIRST_LOOK, MOST_PLACES - FIRST_LOOK]]) {
    const { hits } = await ask("/search", { body: { query, filters, part, offset, k }, signal });
    const found = hits.find((other) => other.product_id === hit.product_id);
    if (found) return found.rank;
    if (hits.length < k) return null;
  }
  return null;
}

function sentences(hit, { kind, photo: ofPhoto }, parts, places) {
  if (parts.length === 1)
    return [el("p", { class: "note" }, `This model knows ${parts[0] === "text" ? "titles" : "photos"} alone.`)];
  if (kind === "cosines") return [el("p", { class: "note" }, wordsOfMixed(hit, ofPhoto))];
  const rows = parts.map((part, number) =>
    el(
      "li", {},
      el("span", {}, `With the ${PART_NAMES[part].toLowerCase()} alone`),
      el("strong", {}, places[number] ? ordinal(places[number]) : `beyond ${count(MOST_PLACES)}`),
    ),
  );
  const whole = el("li", {}, el("span", {}, "With title and photo"), el("strong", {}, ordinal(hit.rank)));
  return [el("ul", { class: "places" }, whole, ...rows), movedBy(hit, places[parts.indexOf("text")])];
}

/** Of a model that mixes title and photo. It may not compare queries with photos, and a product may have none. */
function wordsOfMixed(hit, ofPhoto) {
  if (ofPhoto !== null)
    return "How near title and photo are to the query by themselves. This model mixes them, so neither has a place of its own.";
  if (!hit.image) return "How near the title is to the query by itself. There is no photo.";
  return "How near the title is to the query by itself. The photo is mixed into the product, and has no number of its own.";
}

function movedBy(hit, place) {
  if (!place) return el("p", { class: "note" }, "By its title alone nobody would see it.");
  const moved = place - hit.rank;
  if (!moved) return el("p", { class: "note" }, "The photo leaves it where its title puts it.");
  return el("p", { class: "note" }, `The photo moves it ${moved > 0 ? "up" : "down"} ${plural(Math.abs(moved), "place")}.`);
}

async function similarTo(hit, context, signal) {
  const body = { product_id: hit.product_id, k: SIMILAR_SHOWN };
  const { hits } = await ask("/search/similar", { body, signal });
  const open = (other) => openWhy(other, { ...context, query: null });
  return [
    el("h3", { id: "why-similar-title" }, "Similar products"),
    el("ul", { class: "strip" }, ...hits.map((other) => el("li", {}, cardButton(other, context.catalog, () => open(other))))),
    el("p", {}, el("a", { href: context.addressOfSimilar(hit.product_id) }, "See more like this")),
  ];
}
