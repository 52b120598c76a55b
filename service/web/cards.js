// Cards of products: the photo, the title and other columns of the catalogue.

import { el, fixed } from "./dom.js";

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
  const query = new URLSearchParams({ size, v: version });
  return `/images/${encodeURIComponent(product.product_id)}?${query}`;
}

/** A product's photo, or a text in its place. Options: size ("small", "large"), eager, timing (a name for its paint). */
export function photo(product, catalog, { size = "small", eager = false, timing = null } = {}) {
  const frame = el("span", { class: "photo" });
  const address = catalog.photos ? photoAddress(product, catalog.index_version, size) : null;
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

/** A product as a button that opens it. */
export function cardButton(product, catalog, open, { eager = false, timing = null } = {}) {
  const price = priceOf(product);
  return el(
    "button",
    { type: "button", class: "hit", onclick: open },
    photo(product, catalog, { eager, timing }),
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
