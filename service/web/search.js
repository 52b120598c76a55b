// The search page. Its state is in its address: /?q=red+shoes&page=2&f.category=shoes, or /?like=PRODUCT.

import { Problem, ask, isAborted } from "./api.js";
import { cardButton, titleOf } from "./cards.js";
import { announce, button, byId, count, el, plural, sentence, stateBox } from "./dom.js";
import { countFilters, filterFields, filtersOfAddress, filtersToAddress } from "./filters.js";
import { setUpJudging } from "./judge.js";
import { setUpSignIn, signOut } from "./sign_in.js";
import { openWhy, setUpWhy } from "./why.js";

const DEBOUNCE_MS = 120;
const PAGE_SIZE = 24;
const MOST_PLACES = 1000; // the last place that a search can reach
const EXAMPLES = 5;
const WIDE = matchMedia("(min-width: 52rem)");

const view = { query: "", like: null, page: 1, filters: {} }; // the state in the address
let catalog = null; // the catalogue of the version that answered last
let running = null; // the search under way
let typing = null; // the timer of the debounce
let isTypedOver = false; // whether typing replaces the present address in the history
let shownHits = [];
const judging = setUpJudging(byId("judging"), () => shownHits.length && showHits());

/** Read the catalogue, on which the filters depend. */
async function readCatalog() {
  catalog = await ask("/catalog");
  byId("filter-form").replaceChildren();
}

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  view.query = (parameters.get("q") ?? "").trim();
  view.like = parameters.get("like");
  view.filters = filtersOfAddress(parameters, catalog?.columns ?? []);
  const page = Number(parameters.get("page") ?? 1);
  view.page = Number.isInteger(page) ? Math.min(Math.max(page, 1), Math.ceil(MOST_PLACES / PAGE_SIZE)) : 1;
  byId("query").value = view.query;
}

function addressOf({ query, like, page, filters }) {
  const parameters = new URLSearchParams();
  if (like) parameters.set("like", like);
  else if (query) parameters.set("q", query);
  filtersToAddress(filters, parameters);
  if (page > 1) parameters.set("page", page);
  const text = parameters.toString();
  return text ? `/?${text}` : "/";
}

/** Show another view. With `keep` its address replaces the present one in the history. */
function go(change, { keep = false } = {}) {
  clearTimeout(typing);
  isTypedOver = keep;
  Object.assign(view, change);
  history[keep ? "replaceState" : "pushState"](null, "", addressOf(view));
  return load();
}

async function load() {
  if (!catalog) return; // start() calls this again once the catalogue is read
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  performance.mark("search-asked");
  showFilters();
  if (!view.query && !view.like) return showWelcome();
  byId("results").setAttribute("aria-busy", "true");
  try {
    const [found, labels] = await Promise.all([search(signal), judging.labelsOf(view.query, signal)]);
    if (found.index_version !== catalog.index_version) {
      await readCatalog(); // meanwhile another version is served
      showFilters();
    }
    judging.take(view.query, labels);
    showFound(found);
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) {
      signOut(); // only labels need the token
      return load();
    }
    showFault(error);
  }
  byId("results").setAttribute("aria-busy", "false");
}

function search(signal) {
  const offset = (view.page - 1) * PAGE_SIZE;
  const page = { k: Math.min(PAGE_SIZE, MOST_PLACES - offset), offset, filters: view.filters };
  if (view.like) return ask("/search/similar", { body: { product_id: view.like, ...page }, signal });
  return ask("/search", { body: { query: view.query, ...page }, signal });
}

function showFound(found) {
  shownHits = found.hits;
  const total = Math.min(found.passing ?? catalog.count, MOST_PLACES);
  const last = (view.page - 1) * PAGE_SIZE + found.hits.length;
  const of = found.passing === undefined ? plural(catalog.count, "product") : `${plural(found.passing, "product")} that pass`;
  const words = found.hits.length
    ? `${count(last - found.hits.length + 1)}–${count(last)} of ${of}`
    : "Nothing to show";
  byId("status").replaceChildren(
    el("strong", {}, words), ` in ${count(found.took_ms, found.took_ms < 10 ? 1 : 0)} ms · ${catalog.model}, ${found.index_version}`,
  );
  document.title = `${view.like ? "Similar products" : view.query} · Vitrine`;
  showHits();
  showPages(total);
  announce(found.hits.length ? `${words}, page ${view.page}` : "No product passes these filters");
  requestAnimationFrame(() => performance.mark("results-shown"));
}

function showHits() {
  if (!shownHits.length) return showNothing();
  const firstPhoto = shownHits.findIndex((hit) => hit.image);
  const cards = shownHits.map((hit, number) => {
    const open = () => openWhy(hit, context());
    const timing = number === firstPhoto ? "first-result" : null;
    const card = cardButton(hit, catalog, open, { eager: number < 8, timing });
    card.append(el("span", { class: "rank", "aria-hidden": "true" }, hit.rank));
    card.dataset.product = hit.product_id;
    return el("li", { class: "card" }, card, judging.fieldOf(hit));
  });
  const heading = view.like ? el("p", { class: "like" }, "Products like ", el("strong", {}, nameOfLike())) : null;
  const focused = byId("results").contains(document.activeElement) && document.activeElement.dataset.product;
  byId("results").replaceChildren(...[heading, el("ol", { class: "grid", start: shownHits[0].rank }, ...cards)].filter(Boolean));
  if (focused) focusCard(focused);
}

/** Give the focus back to the card that had it, or to the first card if that one is no longer shown. */
function focusCard(product) {
  const cards = [...document.querySelectorAll(".grid .hit")];
  (cards.find((card) => card.dataset.product === product) ?? cards[0]).focus({ preventScroll: true });
}

function context() {
  return {
    catalog,
    query: view.like ? null : view.query,
    filters: view.filters,
    addressOfSimilar: (product) => addressOf({ like: product, page: 1, filters: {} }),
  };
}

const likeTitles = new Map(); // titles of the products whose similar products were shown

function nameOfLike() {
  if (!likeTitles.has(view.like)) {
    const [asked, words] = [view.like, `product ${view.like}`];
    likeTitles.set(asked, words);
    ask(`/products/${encodeURIComponent(asked)}`)
      .then(({ product }) => likeTitles.set(asked, titleOf(product)))
      .then(() => byId("results").querySelector(".like strong")?.replaceChildren(likeTitles.get(asked)))
      .catch(() => {}); // its id is shown already
  }
  return likeTitles.get(view.like);
}

function showNothing() {
  byId("results").replaceChildren(
    countFilters(view.filters) > 0
      ? stateBox("No product passes these filters", { act: button("Clear the filters", () => go({ filters: {}, page: 1 })) })
      : stateBox("There are no further products", { act: button("Back to the first page", () => go({ page: 1 })) }),
  );
}

function showFault(problem) {
  shownHits = [];
  byId("status").replaceChildren();
  byId("pages").replaceChildren();
  const title = problem.status === 422 ? "This search cannot be made" : "The search did not work";
  const act = button("Try again", () => load());
  byId("results").replaceChildren(stateBox(title, { words: sentence(problem.message), act, isFault: true }));
}

function showWelcome() {
  shownHits = [];
  document.title = "Search · Vitrine";
  byId("status").replaceChildren();
  byId("pages").replaceChildren();
  byId("results").setAttribute("aria-busy", "false");
  const values = catalog.columns
    .filter((column) => column.kind === "text" && column.values.length > 1 && column.values[0].count > 1)
    .sort((one, other) => one.distinct - other.distinct)
    .flatMap((column) => column.values.map(({ value }) => value))
    .filter((value) => value.trim())
    .slice(0, EXAMPLES);
  byId("results").replaceChildren(
    el(
      "div", { class: "state welcome" },
      el("h1", {}, `Search ${plural(catalog.count, "product")}`),
      el("p", {}, "Results come while you type. Open one to see why it was found."),
      values.length > 0 && el(
        "ul", { class: "chips", "aria-label": "Examples" },
        ...values.map((value) =>
          el("li", {}, el("a", { href: addressOf({ query: value, page: 1, filters: {} }) }, value)),
        ),
      ),
      el(
        "p", { class: "keys note" },
        el("kbd", {}, "/"), " to the field  ", el("kbd", {}, "↓"), el("kbd", {}, "→"), " through results  ",
        el("kbd", {}, "Enter"), " why  ", el("kbd", {}, "n"), el("kbd", {}, "p"), " pages",
      ),
    ),
  );
}

/** Render the filter fields unless they show this address already, so that what was just typed stays. */
function showFilters() {
  const form = byId("filter-form");
  const chosen = countFilters(view.filters);
  byId("filters-summary").textContent = chosen ? `Filters (${chosen})` : "Filters";
  const address = new URLSearchParams();
  filtersToAddress(view.filters, address);
  if (form.childElementCount && form.dataset.shown === address.toString()) return;
  form.dataset.shown = address.toString();
  const clear = button("Clear", () => go({ filters: {}, page: 1 }), "quiet");
  form.replaceChildren(...filterFields(catalog.columns, view.filters), el("p", { class: "clear", hidden: !chosen }, clear));
  byId("filters").hidden = form.childElementCount < 2;
}

function takeFilters() {
  const form = byId("filter-form");
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") parameters.append(name, value);
  const filters = filtersOfAddress(parameters, catalog.columns);
  const address = new URLSearchParams();
  filtersToAddress(filters, address);
  if (form.dataset.shown === address.toString()) return;
  form.dataset.shown = address.toString(); // its fields show these filters already
  form.querySelector(".clear").hidden = !countFilters(filters);
  go({ filters, page: 1 });
}

function showPages(total) {
  const pages = Math.ceil(total / PAGE_SIZE);
  if (pages < 2) return byId("pages").replaceChildren();
  const numbers = [...new Set([1, view.page - 1, view.page, view.page + 1, pages])].filter((page) => page >= 1 && page <= pages);
  const links = numbers.flatMap((page, place) => {
    const gap = place && page - numbers[place - 1] > 1 ? [el("span", { class: "gap", "aria-hidden": "true" }, "…")] : [];
    return [...gap, pageLink(page, String(page), `Page ${page}`)];
  });
  byId("pages").replaceChildren(
    view.page > 1 ? pageLink(view.page - 1, "← Previous", "Previous page") : el("span", { class: "off" }, "← Previous"),
    ...links,
    view.page < pages ? pageLink(view.page + 1, "Next →", "Next page") : el("span", { class: "off" }, "Next →"),
  );
}

function pageLink(page, words, label) {
  const turn = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab
    event.preventDefault();
    turnTo(page);
  };
  const current = page === view.page ? "page" : null;
  return el("a", { href: addressOf({ ...view, page }), "aria-label": label, "aria-current": current, onclick: turn }, words);
}

async function turnTo(page) {
  await go({ page });
  scrollTo({ top: 0 });
  byId("results").focus({ preventScroll: true });
}

/** Search for the text in the field. While somebody types, only the last query goes into the history. */
function takeQuery({ isTyping }) {
  const query = byId("query").value.trim();
  if (query !== view.query || view.like) go({ query, like: null, page: 1 }, { keep: isTypedOver });
  isTypedOver = isTyping;
}

/** Move the focus from card to card with the arrow keys, by their places on the screen. */
function moveAmongCards(event) {
  const cards = [...document.querySelectorAll(".grid .hit")];
  const here = cards.indexOf(document.activeElement);
  if (!cards.length || here < 0) return;
  const columns = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  if (!(event.key in steps)) return;
  event.preventDefault();
  if (here + steps[event.key] < 0) byId("query").focus();
  else cards[Math.min(here + steps[event.key], cards.length - 1)].focus();
}

function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const isField = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (event.target === byId("query") && event.key === "ArrowDown") {
      event.preventDefault();
      document.querySelector(".grid .hit")?.focus();
    } else if (!isField && event.key === "/") {
      event.preventDefault();
      byId("query").select();
    } else if (!isField && event.key === "n") byId("pages").querySelector("[aria-label='Next page']")?.click();
    else if (!isField && event.key === "p") byId("pages").querySelector("[aria-label='Previous page']")?.click();
    else if (!isField) {
      moveAmongCards(event);
      judging.takeKey(event);
    }
  });
}

function setUpForms() {
  byId("query").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => takeQuery({ isTyping: true }), DEBOUNCE_MS);
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    takeQuery({ isTyping: false });
  });
  byId("filter-form").addEventListener("change", takeFilters);
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    takeFilters();
  });
  byId("filters").open = WIDE.matches;
  WIDE.addEventListener("change", () => (byId("filters").open = WIDE.matches));
}

async function start() {
  try {
    await readCatalog();
  } catch (error) {
    const act = button("Try again", start);
    byId("results").replaceChildren(stateBox("The service is not ready", { words: sentence(error.message), act, isFault: true }));
    return;
  }
  readAddress();
  if (!view.query && !view.like) byId("query").focus();
  await load();
}

setUpForms();
setUpKeys();
setUpWhy();
setUpSignIn((signedIn) => judging.allow(signedIn));
addEventListener("popstate", () => {
  readAddress();
  load();
});
start();
