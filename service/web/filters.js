// Filters by the catalogue's columns: their form, and their part of the page's address.

import { count, el } from "./dom.js";

const SHOWN_VALUES = 6; // values of a column that are shown before "more"
const BOUNDS = { gte: "from", lte: "to" };

/** Read filters from an address: `f.colour=red&f.colour=blue&f.price.lt=50&f.in_stock=true`. The columns tell the kinds of values. */
export function filtersOfAddress(parameters, columns) {
  const filters = {};
  for (const column of columns) {
    const values = parameters.getAll(`f.${column.name}`);
    if (column.kind === "text" && values.length) filters[column.name] = values;
    if (column.kind === "boolean" && ["true", "false"].includes(values[0])) filters[column.name] = values[0] === "true";
    if (column.kind === "number") {
      const bounds = Object.keys(BOUNDS)
        .map((bound) => [bound, parameters.get(`f.${column.name}.${bound}`)])
        .filter(([, value]) => value && Number.isFinite(Number(value)))
        .map(([bound, value]) => [bound, Number(value)]);
      if (bounds.length) filters[column.name] = Object.fromEntries(bounds);
    }
  }
  return filters;
}

/** The names of an address's filters that these columns do not have, or not with such values. */
export function unknownFilters(parameters, columns) {
  const known = new URLSearchParams();
  filtersToAddress(filtersOfAddress(parameters, columns), known);
  const unknown = [...parameters.keys()].filter((name) => name.startsWith("f.") && !known.has(name));
  return [...new Set(unknown)].map((name) => name.slice("f.".length));
}

/** Write filters into an address; see `filtersOfAddress`. */
export function filtersToAddress(filters, parameters) {
  for (const [name, condition] of Object.entries(filters)) {
    if (Array.isArray(condition)) for (const value of condition) parameters.append(`f.${name}`, value);
    else if (typeof condition === "object")
      for (const [bound, value] of Object.entries(condition)) parameters.set(`f.${name}.${bound}`, value);
    else parameters.set(`f.${name}`, condition);
  }
}

/** Fields for all columns that can be filtered by, set to these filters. */
export function filterFields(columns, filters) {
  return columns.map((column) => fieldOf(column, filters[column.name])).filter((field) => field !== null);
}

function fieldOf(column, condition) {
  if (column.kind === "text") return textField(column, condition ?? []);
  if (column.kind === "boolean") return booleanField(column, condition);
  if (column.kind === "number" && column.least !== null && column.least < column.most)
    return numberField(column, condition ?? {});
  return null;
}

function textField(column, chosen) {
  // A column whose values are all different, such as a description, is of no use as a filter.
  const isShared = column.values.some(({ count: products }) => products > 1);
  if (!chosen.length && (column.values.length < 2 || !isShared)) return null;
  const offered = column.values.map(({ value }) => value);
  const rare = chosen.filter((value) => !offered.includes(value)).map((value) => ({ value, count: null }));
  const boxes = [...rare, ...column.values].map(({ value, count: products }) =>
    el(
      "label",
      { class: "choice" },
      el("input", { type: "checkbox", name: `f.${column.name}`, value, checked: chosen.includes(value) }),
      el("span", { class: "value" }, value || "(empty)"),
      products === null ? null : el("span", { class: "products" }, count(products)),
    ),
  );
  const [first, more] = [boxes.slice(0, SHOWN_VALUES), boxes.slice(SHOWN_VALUES)];
  const isMoreChosen = column.values.slice(SHOWN_VALUES - rare.length).some(({ value }) => chosen.includes(value));
  const left = column.distinct - column.values.length;
  return group(
    column,
    ...first,
    more.length
      ? el(
          "details",
          { open: isMoreChosen },
          el("summary", {}, `${count(more.length)} more`),
          ...more,
          left > 0 ? el("p", { class: "note" }, `and ${count(left)} rarer ones`) : null,
        )
      : null,
  );
}

function booleanField(column, condition) {
  const option = (value, words) =>
    el("option", { value, selected: String(condition ?? "") === value }, words);
  const select = el(
    "select", { name: `f.${column.name}`, "aria-label": nameOf(column) },
    option("", "any"), option("true", "yes"), option("false", "no"),
  );
  return group(column, select);
}

function numberField(column, bounds) {
  const inputs = Object.entries(BOUNDS).map(([bound, words]) =>
    el(
      "label",
      {},
      el("span", {}, words),
      el("input", {
        type: "number", step: "any", inputmode: "decimal", name: `f.${column.name}.${bound}`,
        placeholder: String(+(bound === "gte" ? column.least : column.most).toPrecision(6)), value: bounds[bound],
      }),
    ),
  );
  return group(column, el("div", { class: "range" }, ...inputs));
}

function group(column, ...content) {
  return el("fieldset", {}, el("legend", {}, nameOf(column)), ...content);
}

/** A column's name as the page shows it: "in_stock" is "in stock". */
export function nameOf(column) {
  return column.name.replaceAll("_", " ");
}

/** The number of columns that have a filter. */
export function countFilters(filters) {
  return Object.keys(filters).length;
}
