// The search page. Its state is in its address (search_address.js), with the product that is open (opened_product.js).

import { Problem, ask, isAborted } from "./api.js";
import { servedCatalog, withCatalog } from "./catalog.js";
import { announce, button, byId, count, el, notify, sentence, stateBox } from "./dom.js";
import { countFilters, filterFields, filtersOfAddress, filtersToAddress, unknownFilters } from "./filters.js";
import { setUpJudging } from "./judge.js";
import { productOfAddress, setUpOpenedProduct, showOpenedProduct } from "./opened_product.js";
import { showFault, showHits, showNothing, showPages, showWelcome, wordsOf } from "./results.js";
import { MOST_PLACES, PAGE_SIZE, addressOf, searchOfAddress } from "./search_address.js";
import { setUpSignIn } from "./sign_in.js";
import { closeWhy } from "./why.js";

const DEBOUNCE_MS = 120;
const SLOW_MS = 1000; // after which the page says that it still waits
const WIDE = matchMedia("(min-width: 52rem)");

const view = { query: "", like: null, page: 1, filters: null }; // the search in the address; filters when there is a catalogue
let catalog = null; // the catalogue of the version that answered last
let running = null; // the search under way
let typing = null; // the timer of the debounce; null when nothing was typed that is not searched for
let isTypedOver = false; // whether typing replaces the present address in the history
let shown = null; // { hits, query, filters, catalog } of the answer that is shown
const judging = setUpJudging(byId("judging"), () => shown?.hits.length && showCards());

function readAddress() {
  const parameters = new URLSearchParams(location.search);
  Object.assign(view, searchOfAddress(parameters));
  view.filters = catalog && filtersOfAddress(parameters, catalog.columns);
  byId("query").value = view.query;
}

/** Take the catalogue that belongs to an answer. Those of the address's filters that it has are kept. */
function takeCatalog(next) {
  if (next.index_version === catalog?.index_version) return;
  catalog = next;
  view.filters = filtersOfAddress(new URLSearchParams(location.search), catalog.columns);
  showFilters({ anew: true });
}

/** Show another search. With `keep` its address replaces the present one in the history. */
function go(change, { keep = false } = {}) {
  if (typing !== null) change = { ...change, ...typed(), page: 1 }; // what was typed just now counts as well
  stopTyping();
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
  closeWhy();
  showFilters();
  if (!view.query && !view.like) return showStart();
  byId("results").setAttribute("aria-busy", "true");
  const slow = setTimeout(tellThatItWaits, SLOW_MS);
  try {
    const [found, its] = await withCatalog(() => search(signal), signal);
    if (signal.aborted) return;
    takeCatalog(its);
    showFound(found);
  } catch (error) {
    if (isAborted(error) || signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "invalid-filter" && (await isOutdated())) return load();
    forgetShown();
    showFault(error, load);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) byId("results").setAttribute("aria-busy", "false");
  }
  showOpenedProduct();
}

function search(signal) {
  const offset = (view.page - 1) * PAGE_SIZE;
  const page = { k: Math.min(PAGE_SIZE, MOST_PLACES - offset), offset, filters: view.filters };
  if (view.like) return ask("search/similar", { body: { product_id: view.like, ...page }, signal });
  return ask("search", { body: { query: view.query, ...page }, signal });
}

/** Whether another version is served than the one whose filters are shown; then its filters are shown. */
async function isOutdated() {
  const next = await servedCatalog().catch(() => catalog); // a second fault: the first one is shown
  const isOther = next.index_version !== catalog.index_version;
  takeCatalog(next);
  return isOther;
}

function tellThatItWaits() {
  byId("status").replaceChildren("Still searching …");
  announce("Still searching");
}

function showFound(found) {
  shown = { hits: found.hits, query: view.like ? null : view.query, filters: view.filters, catalog };
  judging.take(shown.query ?? "", found.index_version);
  const words = wordsOf(found, view, catalog);
  const leftOut = unknownFilters(new URLSearchParams(location.search), catalog.columns);
  byId("status").replaceChildren(
    el("strong", {}, words), ` in ${count(found.took_ms, found.took_ms < 10 ? 1 : 0)} ms · ${catalog.model}, ${found.index_version}`,
    leftOut.length ? el("span", { class: "fault" }, ` · Not filtered by ${leftOut.join(", ")}: these products do not have it`) : "",
  );
  document.title = `${view.like ? "Similar products" : view.query} · Vitrine`;
  if (found.hits.length) {
    showCards();
    announce(`${words}, page ${view.page}`);
  } else announce(showNothing(found, view, go));
  showPages(found.passing ?? catalog.count - (view.like ? 1 : 0), view, turnTo);
  requestAnimationFrame(() => performance.mark("results-shown"));
}

function showCards() {
  showHits(shown.hits, view, shown.catalog, (hit) => judging.fieldOf(hit));
}

function forgetShown() {
  shown = null;
  judging.take("", null);
}

/** Show the page without a search. */
function showStart() {
  forgetShown();
  document.title = "Search · Vitrine";
  byId("results").setAttribute("aria-busy", "false");
  showWelcome(view, catalog, () => go({ filters: {}, page: 1 }));
  if (countFilters(view.filters)) announce(byId("filters-wait").firstChild.textContent);
  showOpenedProduct();
}

/** What the dialog of a product needs of a hit that is shown; see `showWhy`. */
function findShown(productId) {
  const hit = shown?.hits.find((other) => other.product_id === productId);
  return hit ? { ...shown, hit } : null;
}

/**
 * Render the filter fields unless they show this search already, so that what was just typed stays. Rendered anew for another
 * catalogue, they keep the focus and what is typed in them.
 */
function showFilters({ anew = false } = {}) {
  const form = byId("filter-form");
  const chosen = countFilters(view.filters);
  byId("filters-summary").textContent = chosen ? `Filters (${chosen})` : "Filters";
  const address = new URLSearchParams();
  filtersToAddress(view.filters, address);
  if (!anew && form.childElementCount && form.dataset.shown === address.toString()) return;
  const typed = anew ? [...form.querySelectorAll("input[type=number]")].map(({ name, value }) => [name, value]) : [];
  const focused = form.contains(document.activeElement) ? document.activeElement : null;
  form.dataset.shown = address.toString();
  const clear = button("Clear", () => go({ filters: {}, page: 1 }), "quiet");
  form.replaceChildren(...filterFields(catalog.columns, view.filters), el("p", { class: "clear", hidden: !chosen }, clear));
  for (const [name, value] of typed) if (value && form.elements[name]) form.elements[name].value = value;
  if (focused?.name)
    [...form.elements].find(({ name, value, type }) => name === focused.name && (type !== "checkbox" || value === focused.value))?.focus();
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

async function turnTo(page) {
  await go({ page });
  scrollTo({ top: 0 });
  byId("results").focus({ preventScroll: true });
}

function typed() {
  return { query: byId("query").value.trim(), like: null };
}

function stopTyping() {
  clearTimeout(typing);
  typing = null;
}

/** Search for the text in the field. While somebody types, only the last query goes into the history. */
function takeQuery({ isTyping }) {
  stopTyping();
  if (typed().query !== view.query || view.like) go({ ...typed(), page: 1 }, { keep: isTypedOver });
  isTypedOver = isTyping;
}

function takeQuerySoon() {
  clearTimeout(typing);
  typing = setTimeout(() => takeQuery({ isTyping: true }), DEBOUNCE_MS);
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
  byId("query").addEventListener("input", takeQuerySoon);
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

/** Show the search in an address that the browser went to, such as the one before. */
function followHistory() {
  stopTyping();
  const before = addressOf(view);
  readAddress();
  if (catalog && addressOf(view) === before) showOpenedProduct();
  else load();
}

async function readCatalog() {
  byId("results").replaceChildren(el("p", { class: "state note", role: "status" }, "Reading the catalogue …"));
  try {
    takeCatalog(await servedCatalog());
  } catch (error) {
    const act = button("Try again", readCatalog);
    byId("results").replaceChildren(stateBox("The service is not ready", { words: sentence(error.message), act, isFault: true }));
    return;
  }
  await load();
}

function start() {
  const early = byId("query").value; // typed while this script was loading
  readAddress();
  if (!view.query && !view.like && !productOfAddress()) byId("query").focus();
  if (early) {
    byId("query").value = early;
    takeQuerySoon();
  }
  setUpForms();
  setUpKeys();
  setUpOpenedProduct(findShown, load);
  setUpSignIn((signedIn, why) => {
    judging.allow(signedIn);
    if (why) notify(why);
  });
  addEventListener("popstate", followHistory);
  readCatalog();
}

start();
