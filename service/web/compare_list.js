// The list of queries of the compare page: stepping through it, and the comparison over all of it.

import { Problem, isAborted } from "./api.js";
import { difference } from "./compare_sides.js";
import { byId, count, el, plural, sentence } from "./dom.js";

const LIST_KEY = "vitrine-queries"; // in this tab alone, since queries of shoppers are private
const FIRST = 10; // how many of the first products of both sides are also compared by themselves

let page = null; // what setUpList was given
let summing = null; // the comparison over all queries

/**
 * Set up the list.
 * given: { query(), show(query), rankings(query, signal), names(), prepare(signal) }: the query that is shown; shows another
 * one; both rankings for a query; what both sides are, as one text; makes both ready to be searched.
 */
export function setUpList(given) {
  page = given;
  const list = byId("list");
  list.value ||= sessionStorage.getItem(LIST_KEY) ?? ""; // unless somebody typed into it while this script was loading
  list.addEventListener("input", () => {
    sessionStorage.setItem(LIST_KEY, list.value);
    showPlace();
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("run-all").addEventListener("click", compareAll);
}

/** Put these queries into the list. */
export function fillList(queries) {
  byId("list").value = queries.join("\n");
  byId("list").dispatchEvent(new Event("input"));
  if (!page.query()) step(1);
}

function listed() {
  return byId("list").value.split("\n").map((line) => line.trim()).filter(Boolean);
}

/** Show which query of the list is shown. */
export function showPlace() {
  const queries = listed();
  const place = queries.indexOf(page.query());
  byId("stepper").hidden = !queries.length;
  byId("place").textContent =
    place < 0 ? plural(queries.length, "query", "queries") : `${place + 1} of ${plural(queries.length, "query", "queries")}`;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place === queries.length - 1;
}

/** Show the query this many places further down the list. */
export function step(by) {
  const queries = listed();
  const place = queries.indexOf(page.query());
  const next = place < 0 ? 0 : Math.min(Math.max(place + by, 0), queries.length - 1);
  if (queries.length && queries[next] !== page.query()) page.show(queries[next]);
}

/** The paper's net predictions over the whole list: how many products only one side finds. */
async function compareAll() {
  const queries = [...new Set(listed())];
  if (!queries.length) return;
  summing?.abort();
  summing = new AbortController();
  const { signal } = summing;
  byId("run-all").disabled = true;
  const rows = [];
  try {
    await page.prepare(signal);
    for (const query of queries) {
      const [left, right] = await page.rankings(query, signal);
      if (signal.aborted) return; // another comparison was chosen, or another version is served
      rows.push(rowOf(query, left, right));
      byId("all").replaceChildren(el("p", { class: "note" }, `${rows.length} of ${queries.length} …`));
    }
    showRows(rows, page.names());
  } catch (error) {
    if (!isAborted(error) && !(error instanceof Problem)) throw error;
    if (!signal.aborted) byId("all").replaceChildren(el("p", { class: "fault", role: "alert" }, sentence(error.message)));
  } finally {
    byId("run-all").disabled = false;
  }
}

/** Remove a summary that belongs to another comparison, and say why if nobody asked for it. */
export function forgetAll(why = null) {
  const isShown = byId("all").childElementCount > 0;
  summing?.abort();
  byId("all").replaceChildren(why && isShown ? el("p", { class: "fault", role: "alert" }, why) : "");
}

function rowOf(query, left, right) {
  const first = [left, right].map(({ hits }) => ({ hits: hits.slice(0, FIRST) }));
  return { query, ...difference(left, right), bothFirst: difference(...first).both, isLonger: left.hits.length > FIRST };
}

/** The columns of the table. Where both sides list equally many, each finds as many alone as the other, which is one column. */
function figuresOf(rows) {
  const inBoth = ["in both", ({ both }) => both];
  const inFirst = rows.some(({ isLonger }) => isLonger) ? [[`in both first ${FIRST}`, ({ bothFirst }) => bothFirst]] : [];
  if (rows.every(({ only }) => only[0] === only[1])) return [["only on one side", ({ only }) => only[0]], inBoth, ...inFirst];
  return [["only left", ({ only }) => only[0]], inBoth, ["only right", ({ only }) => only[1]], ...inFirst];
}

function showRows(rows, names) {
  const figures = figuresOf(rows);
  const head = el("tr", {}, el("th", { scope: "col" }, "query"), ...figures.map(([name]) => el("th", { scope: "col" }, name)));
  const mean = el(
    "tr", { class: "mean" },
    el("th", { scope: "row" }, `mean ± standard deviation of ${plural(rows.length, "query", "queries")}`),
    ...figures.map(([, figure]) => el("td", {}, meanAndDeviation(rows.map(figure)))),
  );
  const body = rows.map((row) =>
    el(
      "tr", {},
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => showQuery(row.query) }, row.query)),
      ...figures.map(([, figure]) => el("td", {}, count(figure(row)))),
    ),
  );
  const table = el("table", {}, el("caption", { class: "note" }, names), el("thead", {}, head), el("tbody", {}, mean, ...body));
  byId("all").replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All queries" }, table));
}

function showQuery(query) {
  page.show(query);
  byId("sides").scrollIntoView({ block: "start" });
}

function meanAndDeviation(numbers) {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / numbers.length;
  return `${count(mean, 1)} ± ${count(Math.sqrt(variance), 1)}`;
}
