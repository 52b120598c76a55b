// What the search page shows in the place of results: cards and pages, or a message.

import { ask } from "./api.js";
import { cardLink, photosIn, titleOf } from "./cards.js";
import { button, byId, count, el, isForAnotherTab, plural, sentence, stateBox } from "./dom.js";
import { countFilters } from "./filters.js";
import { addressOfProduct, openProduct } from "./opened_product.js";
import { MOST_PLACES, PAGE_SIZE, addressOf } from "./search_address.js";

const EXAMPLES = 5;
const EAGER_PHOTOS = 8; // about what a window shows of a page

/** Show the cards of an answer. labelsOf(hit): what is shown below a card, or null. */
export function showHits(hits, view, catalog, labelsOf) {
  const results = byId("results");
  const kept = photosIn(results);
  const cards = hits.map((hit, number) => {
    const id = hit.product_id;
    const options = { eager: number < EAGER_PHOTOS, timing: number < EAGER_PHOTOS ? "photo" : null, kept };
    const card = cardLink(hit, catalog, addressOfProduct(id), () => openProduct(id), options);
    card.append(el("span", { class: "rank", "aria-hidden": "true" }, hit.rank));
    return el("li", { class: "card" }, card, labelsOf(hit));
  });
  const heading = view.like ? el("p", { class: "like" }, "Products like ", el("strong", {}, nameOf(view.like))) : "";
  const focused = results.contains(document.activeElement) && document.activeElement.dataset.product;
  results.replaceChildren(heading, el("ol", { class: "grid", start: hits[0].rank }, ...cards));
  if (focused) focusCard(focused);
}

/** Give the focus back to the card that had it, or to the first card if that one is no longer shown. */
function focusCard(product) {
  const cards = [...document.querySelectorAll(".grid .hit")];
  (cards.find((card) => card.dataset.product === product) ?? cards[0]).focus({ preventScroll: true });
}

const likeTitles = new Map(); // titles of the products whose similar products were shown

function nameOf(product) {
  if (!likeTitles.has(product)) {
    likeTitles.set(product, `product ${product}`);
    ask(`products/${encodeURIComponent(product)}`)
      .then((answer) => likeTitles.set(product, titleOf(answer.product)))
      .then(() => byId("results").querySelector(".like strong")?.replaceChildren(likeTitles.get(product)))
      .catch(() => {}); // its id is shown already
  }
  return likeTitles.get(product);
}

/** What an answer shows, in words: "25–48 of 300 products". */
export function wordsOf(found, view, catalog) {
  if (!found.hits.length) return "Nothing to show";
  const products = found.passing === undefined
    ? view.like ? plural(catalog.count - 1, "other product") : plural(catalog.count, "product")
    : `${plural(found.passing, "product")} that ${found.passing === 1 ? "passes" : "pass"}`;
  const first = (view.page - 1) * PAGE_SIZE + 1;
  return `${count(first)}–${count(first + found.hits.length - 1)} of ${products}`;
}

/** Show why a page has no hits, and return that in words: nothing passes the filters, or the page is beyond the last one. */
export function showNothing(found, view, go) {
  const first = button("Back to the first page", () => go({ page: 1 }));
  const clear = button("Clear the filters", () => go({ filters: {}, page: 1 }));
  const product = view.like ? "other product" : "product";
  const [title, act] = view.page > 1 && found.passing !== 0
    ? [`There is no page ${view.page}; the results end before it`, first]
    : countFilters(view.filters) ? [`No ${product} passes these filters`, clear] : [`There is no ${product}`, null];
  byId("results").replaceChildren(stateBox(title, { act }));
  return title;
}

/** Show why a search has no answer. */
export function showFault(problem, tryAgain) {
  clear();
  const title = problem.status === 422 ? "This search cannot be made" : "The search did not work";
  const act = button("Try again", tryAgain);
  byId("results").replaceChildren(stateBox(title, { words: sentence(problem.message), act, isFault: true }));
}

/** Show what the page is for. Filters narrow a search by text, so that with filters alone it asks for one. */
export function showWelcome(view, catalog, clearFilters) {
  clear();
  const values = catalog.columns
    .filter((column) => column.kind === "text" && column.values.length > 1 && column.values[0].count > 1)
    .sort((one, other) => one.distinct - other.distinct)
    .flatMap((column) => column.values.map(({ value }) => value))
    .filter((value) => value.trim())
    .slice(0, EXAMPLES);
  const chosen = countFilters(view.filters);
  byId("results").replaceChildren(
    el(
      "div", { class: "state welcome" },
      el("h1", {}, `Search ${plural(catalog.count, "product")}`),
      chosen > 0 && el(
        "div", { class: "notice", id: "filters-wait", role: "status" },
        el("p", {}, `Type what to look for: ${chosen === 1 ? "the filter narrows" : `the ${chosen} filters narrow`} what a search finds.`),
        button("Clear the filters", clearFilters, "quiet"),
      ),
      el("p", {}, "Results come while you type. Open one to see why it was found."),
      values.length > 0 && el(
        "ul", { class: "chips", "aria-label": "Examples" },
        ...values.map((value) =>
          el("li", {}, el("a", { href: addressOf({ query: value, page: 1, filters: view.filters }) }, value)),
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

function clear() {
  byId("status").replaceChildren();
  byId("pages").replaceChildren();
}

/** Show links to the result pages, of which there are some for this many products. */
export function showPages(products, view, turnTo) {
  const pages = Math.ceil(Math.min(products, MOST_PLACES) / PAGE_SIZE);
  if (pages < 2) return byId("pages").replaceChildren();
  const numbers = [...new Set([1, view.page - 1, view.page, view.page + 1, pages])].filter((page) => page >= 1 && page <= pages);
  const linkTo = (page, words, label) => pageLink({ ...view, page }, page === view.page, words, label, turnTo);
  const links = numbers.flatMap((page, place) => {
    const gap = place && page - numbers[place - 1] > 1 ? [el("span", { class: "gap", "aria-hidden": "true" }, "…")] : [];
    return [...gap, linkTo(page, String(page), `Page ${page}`)];
  });
  byId("pages").replaceChildren(
    view.page > 1 ? linkTo(Math.min(view.page - 1, pages), "← Previous", "Previous page") : el("span", { class: "off" }, "← Previous"),
    ...links,
    view.page < pages ? linkTo(view.page + 1, "Next →", "Next page") : el("span", { class: "off" }, "Next →"),
  );
}

function pageLink(view, isCurrent, words, label, turnTo) {
  const turn = (event) => {
    if (isForAnotherTab(event)) return;
    event.preventDefault();
    turnTo(view.page);
  };
  return el("a", { href: addressOf(view), "aria-label": label, "aria-current": isCurrent ? "page" : null, onclick: turn }, words);
}
