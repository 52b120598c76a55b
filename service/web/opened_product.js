// The open product is part of the page's address, as product=ID: it can be shared, and Back closes it.

import { closeWhy, setUpWhy, showWhy } from "./why.js";

let find = null; // what setUpOpenedProduct was given

/**
 * Set up the dialog of a product.
 * findOnPage(product_id): what showWhy needs of a product that the page shows, or null; searchAgain: searches anew.
 */
export function setUpOpenedProduct(findOnPage, searchAgain) {
  find = findOnPage;
  setUpWhy({ leave, open: openProduct, addressOf: addressOfProduct, searchAgain });
}

/** The product in the page's address, or null. */
export function productOfAddress() {
  return new URLSearchParams(location.search).get("product");
}

/** The page's address with a product open. */
export function addressOfProduct(productId) {
  const parameters = new URLSearchParams(location.search);
  parameters.set("product", productId);
  return `${location.pathname}?${parameters}`;
}

/** Open a product. */
export function openProduct(productId) {
  history.pushState({ opened: opened() + 1 }, "", addressOfProduct(productId));
  showOpenedProduct();
}

/** Show the product in the address, or none. Pages call it when their results are shown, and when the address has changed. */
export function showOpenedProduct() {
  const productId = productOfAddress();
  if (productId === null) closeWhy();
  else showWhy(productId, find(productId));
}

/** How many products were opened one after another, each with an address in the history. */
function opened() {
  return history.state?.opened ?? 0;
}

/** Go back to the address without a product. */
function leave() {
  if (opened()) return history.go(-opened()); // then the page shows that address
  const parameters = new URLSearchParams(location.search);
  parameters.delete("product");
  history.replaceState(null, "", `${location.pathname}?${parameters}`);
  closeWhy();
}
