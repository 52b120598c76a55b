// Cards of products: the photo, the title and other columns of the catalogue.

import { addressAt } from "./api.js";
import { el, fixed, isForAnotherTab } from "./dom.js";

const LABELS = { E: "Exact", S: "Substitute", C: "Complement", I: "Irrelevant" };

/** The labels of a judgment: letter and name. */
export const RELEVANCE = Object.entries(LABELS);

/** The text shown for a product without a title. */
export function titleOf(product) {
  return product.title || `Untitled product ${product.product_id}`;
}

/** The price, without a currency, since the catalogue names none; null for a product without a price. */
export function priceOf(product) {
  return typeof product.price === "number" ? fixed(product.price, 2) : null;
}

/** The address of a product's photo on the service; null if the service has none. */
function photoAddress(product, version, size) {
  const isHere = product.image && !/^[a-z][a-z0-9+.-]*:\/\//i.test(product.image);
  if (!isHere) return null;
  // The version in the address lets browsers keep photos until another catalogue is served.
  return addressAt(`images/${encodeURIComponent(product.product_id)}?${new URLSearchParams({ size, v: version })}`);
}

/** The photos that an element shows, by address: taken over by new cards, they are not asked for again. */
export function photosIn(element) {
  return Map.groupBy(element.querySelectorAll(".photo[data-address]"), (frame) => frame.dataset.address);
}

/** A product's photo, or a text in its place. Options: size ("small", "large"), eager, timing (a name for its paint), kept (see `photosIn`). */
export function photo(product, catalog, { size = "small", eager = false, timing = null, kept = null } = {}) {
  const address = catalog.photos ? photoAddress(product, catalog.index_version, size) : null;
  const shownAlready = kept?.get(address)?.pop();
  if (shownAlready) return shownAlready;
  const frame = el("span", { class: "photo", "data-address": address });
  if (!address) {
    frame.append(noPhoto(product.image ? "photo not kept here" : "no photo"));
    return frame;
  }
  const image = el("img", {
    alt: "", src: address, decoding: "async", loading: eager ? "eager" : "lazy", elementtiming: timing,
    onerror: () => frame.replaceChildren(noPhoto("photo cannot be shown")),
  });
  frame.append(image);
  return frame;
}

function noPhoto(words) {
  return el("span", { class: "no-photo" }, words);
}

/** A product as a link to its address. Options: those of `photo`. A plain click calls `open`. */
export function cardLink(product, catalog, address, open, options = {}) {
  const price = priceOf(product);
  const follow = (event) => {
    if (isForAnotherTab(event)) return;
    event.preventDefault();
    open();
  };
  return el(
    "a",
    { class: "hit", href: address, onclick: follow, "data-product": product.product_id },
    photo(product, catalog, options),
    el("span", { class: "title" }, titleOf(product)),
    el(
      "span",
      { class: "figures" },
      el("span", { class: "price" }, price ? el("span", { class: "unseen" }, "price ") : null, price ?? ""),
      el(
        "span",
        { class: "score", title: "Cosine of query and product" },
        el("span", { class: "unseen" }, "score "),
        fixed(product.score, 3),
      ),
    ),
  );
}
