// Two rankings side by side: what only one of them finds.

import { cardLink, photosIn } from "./cards.js";
import { announce, button, byId, count, el, ordinal, plural } from "./dom.js";
import { addressOfProduct, openProduct } from "./opened_product.js";

const SHOWN = 20; // of each side, before "all"
const SIDES = ["left", "right"];

/** The products that only one side finds among its first, and those that both find. */
export function difference(left, right) {
  const places = [left, right].map(({ hits }) => new Map(hits.map((hit) => [hit.product_id, hit.rank])));
  const both = left.hits.filter((hit) => places[1].has(hit.product_id)).length;
  return { places, both, only: [left.hits.length - both, right.hits.length - both] };
}

/**
 * Show two rankings.
 * sides: for each of them { found, name, detail, catalog }.
 */
export function showSides(sides, { isAllShown = false } = {}) {
  const { places, both, only } = difference(...sides.map(({ found }) => found));
  const kept = photosIn(byId("sides"));
  const showAll = () => showSides(sides, { isAllShown: true });
  byId("summary").replaceChildren(...summaryOf(both, only));
  byId("sides").replaceChildren(
    ...sides.map((side, number) => {
      const hits = isAllShown ? side.found.hits : side.found.hits.slice(0, SHOWN);
      const cards = hits.map((hit) => cardOf(hit, side.catalog, places[1 - number].get(hit.product_id), kept));
      return sideOf(side, SIDES[number], only[number], cards, showAll);
    }),
  );
  announce(`${both} in both, ${only[0]} only left, ${only[1]} only right`);
}

function summaryOf(both, only) {
  const parts = [["only-left", only[0]], ["in-both", both], ["only-right", only[1]]];
  const bar = el("div", { class: "shares", "aria-hidden": "true" }, ...parts.map(([name, number]) => {
    const share = el("span", { class: name });
    share.style.setProperty("flex-grow", number);
    return share;
  }));
  const words = [`only left`, `in both`, `only right`];
  return [
    bar,
    el("ul", { class: "legend" }, ...parts.map(([name, number], place) =>
      el("li", { class: name }, el("strong", {}, count(number)), ` ${words[place]}`),
    )),
  ];
}

function cardOf(hit, catalog, rankThere, kept) {
  const id = hit.product_id;
  const card = cardLink(hit, catalog, addressOfProduct(id), () => openProduct(id), { kept });
  card.append(el("span", { class: "rank", "aria-hidden": "true" }, hit.rank));
  const mark = rankThere === undefined
    ? el("span", { class: "mark" }, "only here")
    : el("span", { class: "also" }, rankThere === hit.rank ? "same place" : `there ${ordinal(rankThere)}`);
  return el("li", { class: `card ${rankThere === undefined ? "exclusive" : ""}` }, card, mark);
}

function sideOf({ found, name, detail }, side, exclusive, cards, showAll) {
  const more = found.hits.length - cards.length;
  return el(
    "section", { class: `side of-${side}`, "aria-labelledby": `${side}-title` },
    el("h2", { id: `${side}-title` }, name),
    el("p", { class: "note" }, `${detail}: ${plural(exclusive, "exclusive match", "exclusive matches")}`),
    el("ol", { class: "grid small" }, ...cards),
    more > 0 ? button(`Show ${count(more)} more`, showAll, "quiet") : null,
  );
}
