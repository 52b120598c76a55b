// The address of a search: ./?q=red+shoes&page=2&f.category=shoes, or ./?like=PRODUCT.

import { filtersToAddress } from "./filters.js";

export const PAGE_SIZE = 24;
export const MOST_PLACES = 1000; // the last place that a search can reach

/** The part of an address that is read without the catalogue: { query, like, page }. */
export function searchOfAddress(parameters) {
  const page = Number(parameters.get("page") ?? 1);
  return {
    query: (parameters.get("q") ?? "").trim(),
    like: parameters.get("like"),
    page: Number.isInteger(page) ? Math.min(Math.max(page, 1), Math.ceil(MOST_PLACES / PAGE_SIZE)) : 1,
  };
}

/** The address of a search. Without filters (null, while the catalogue is not read) those of the present address stay. */
export function addressOf({ query, like, page, filters }) {
  const parameters = new URLSearchParams();
  if (like) parameters.set("like", like);
  else if (query) parameters.set("q", query);
  if (filters) filtersToAddress(filters, parameters);
  else for (const [name, value] of new URLSearchParams(location.search)) if (name.startsWith("f.")) parameters.append(name, value);
  if (page > 1) parameters.set("page", page);
  const text = parameters.toString();
  return text ? `./?${text}` : "./";
}
