// Labels for hits: Exact, Substitute, Complement, Irrelevant. They need the admin token.

import { Problem, ask, isAborted } from "./api.js";
import { RELEVANCE, titleOf } from "./cards.js";
import { announce, byId, count, el } from "./dom.js";

/**
 * The mode of the search page in which people label hits.
 * switchPlace: the element that holds its switch; show: called when the cards must be rendered again.
 */
export function setUpJudging(switchPlace, show) {
  return new Judging(switchPlace, show);
}

class Judging {
  #place;
  #show;
  #isAllowed = false;
  #isOn = false;
  #query = "";
  #labels = {}; // labels of the query, by product id

  constructor(place, show) {
    this.#place = place;
    this.#show = show;
  }

  /** Set whether the tab has the admin token. */
  async allow(isAllowed) {
    this.#isAllowed = isAllowed && (await this.#isKept());
    if (!this.#isAllowed) this.#turn(false);
    this.#showSwitch();
  }

  /** Read the labels of a query; empty when the mode is off. */
  async labelsOf(query, signal) {
    if (!this.#isOn || !query) return {};
    return (await ask(`/admin/judgments/labels?${new URLSearchParams({ query })}`, { admin: true, signal })).labels;
  }

  /** Show these labels. */
  take(query, labels) {
    this.#query = query;
    this.#labels = labels;
  }

  /** The buttons of a hit; null when the mode is off. */
  fieldOf(hit) {
    if (!this.#isOn || !this.#query) return null;
    const buttons = RELEVANCE.map(([label, name]) =>
      el(
        "button",
        {
          type: "button", class: `label of-${label}`, title: name, "aria-label": name, "data-label": label,
          "aria-pressed": String(this.#labels[hit.product_id] === label),
          onclick: () => this.#label(hit, label),
        },
        label,
      ),
    );
    return el("div", { class: "labels", role: "group", "aria-label": `Label of ${titleOf(hit)}`, "data-product": hit.product_id }, ...buttons);
  }

  /** Label the focused card by the keys E, S, C and I. */
  takeKey(event) {
    const label = event.key.toUpperCase();
    const card = document.activeElement.closest?.(".card");
    card?.querySelector(`.labels [data-label="${CSS.escape(label)}"]`)?.click();
  }

  async #isKept() {
    try {
      await ask("/admin/judgments/counts", { admin: true });
      return true;
    } catch (error) {
      if (error instanceof Problem) return false; // the token is no longer accepted, or the service keeps no labels
      throw error;
    }
  }

  #showSwitch() {
    if (!this.#isAllowed) return this.#place.replaceChildren();
    const box = el("input", { type: "checkbox", role: "switch", checked: this.#isOn, onchange: () => this.#turn(box.checked) });
    this.#place.replaceChildren(el("label", { class: "switch" }, box, "Judge"));
  }

  async #turn(isOn) {
    if (this.#isOn === isOn) return;
    this.#isOn = isOn;
    const query = new URLSearchParams(location.search).get("q")?.trim() ?? "";
    try {
      this.take(query, await this.labelsOf(query));
    } catch (error) {
      if (isAborted(error)) return;
      this.#isOn = false;
      this.#showSwitch();
      showFault(`Labels cannot be read: ${error.message}.`);
    }
    this.#show();
  }

  /** Set a label, or remove it if it is set already. */
  async #label(hit, label) {
    const chosen = this.#labels[hit.product_id] === label ? null : label;
    const query = this.#query;
    try {
      await ask("/admin/judgments", { method: "PUT", admin: true, body: { query, product_id: hit.product_id, label: chosen } });
    } catch (error) {
      showFault(`Not kept: ${error.message}.`);
      return;
    }
    if (query !== this.#query) return; // meanwhile another query is shown
    if (chosen) this.#labels[hit.product_id] = chosen;
    else delete this.#labels[hit.product_id];
    for (const button of document.querySelectorAll(`.labels[data-product="${CSS.escape(hit.product_id)}"] button`))
      button.setAttribute("aria-pressed", String(button.dataset.label === chosen));
    announce(`${titleOf(hit)}: ${chosen ?? "no label"}. ${count(Object.keys(this.#labels).length)} labels for this query`);
  }
}

function showFault(words) {
  byId("status").replaceChildren(el("span", { class: "fault", role: "alert" }, words));
}
