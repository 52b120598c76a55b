// Labels for hits: Exact, Substitute, Complement, Irrelevant. They need the admin token.

import { Problem, ask, isAborted } from "./api.js";
import { RELEVANCE, titleOf } from "./cards.js";
import { announce, el, notify, plural, sentence } from "./dom.js";

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
  #query = ""; // of the hits that are shown
  #version = null; // that found them
  #labels = null; // labels of the query, by product id; null until they are read
  #reading = null; // the request that reads them
  #kept = Promise.resolve(); // when all labels that were given are kept, one after another

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

  /**
   * Take the query of the hits that are shown next, empty if they have none, and the version that found them. Its labels come
   * later, and no hit waits for them.
   */
  take(query, version) {
    this.#query = query;
    this.#version = version;
    this.#readLabels();
  }

  /** The buttons of a hit; null when the mode is off. */
  fieldOf(hit) {
    if (!this.#isOn || !this.#query) return null;
    const buttons = RELEVANCE.map(([label, name]) =>
      el(
        "button",
        {
          type: "button", class: `label of-${label}`, title: name, "aria-label": name, "data-label": label,
          onclick: () => this.#give(hit, label),
        },
        label,
      ),
    );
    this.#mark(buttons, hit.product_id);
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
      await ask("admin/judgments/counts", { admin: true });
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const isExpected = [401, 404].includes(error.status); // the token is refused, or the service keeps no labels
      if (!isExpected) notify(`Whether labels are kept is not known: ${error.message}.`);
      return false;
    }
  }

  #showSwitch() {
    if (!this.#isAllowed) return this.#place.replaceChildren();
    const box = el("input", { type: "checkbox", role: "switch", checked: this.#isOn, onchange: () => this.#turn(box.checked) });
    this.#place.replaceChildren(el("label", { class: "switch" }, box, "Judge"));
  }

  #turn(isOn) {
    if (this.#isOn === isOn) return;
    this.#isOn = isOn;
    this.#readLabels();
    this.#show();
  }

  async #readLabels() {
    this.#reading?.abort();
    this.#labels = null;
    if (!this.#isOn || !this.#query) return;
    this.#reading = new AbortController();
    const { signal } = this.#reading;
    try {
      await this.#kept; // so that none of them is missing
      const path = `admin/judgments/labels?${new URLSearchParams({ query: this.#query })}`;
      const { labels } = await ask(path, { admin: true, signal });
      if (signal.aborted) return;
      this.#labels = labels;
      this.#markAll();
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.#turn(false);
      this.#showSwitch();
      if (error.status !== 401) notify(`The labels cannot be read: ${error.message}.`);
    }
  }

  /** Give a label after those given before it, or remove it if the product has it by then. */
  #give(hit, label) {
    const [found, labels] = [{ query: this.#query, index_version: this.#version }, this.#labels];
    this.#kept = this.#kept.then(() => this.#keep(found, labels, hit, label));
  }

  async #keep(found, labels, hit, label) {
    const { query } = found;
    const chosen = labels[hit.product_id] === label ? null : label;
    try {
      const body = { ...found, product_id: hit.product_id, label: chosen };
      await ask("admin/judgments", { method: "PUT", admin: true, keepalive: true, body });
    } catch (error) {
      const lost = chosen ? `${chosen} for ${titleOf(hit)}` : `no label for ${titleOf(hit)}`;
      notify(`Not kept: ${lost}, found by “${query}”. ${sentence(error.message)}`);
      return;
    }
    if (chosen) labels[hit.product_id] = chosen;
    else delete labels[hit.product_id];
    if (labels === this.#labels) this.#markAll(); // and not those of another query, shown meanwhile
    announce(`${titleOf(hit)}: ${chosen ?? "no label"}. ${plural(Object.keys(labels).length, "label")} for “${query}”`);
  }

  #markAll() {
    for (const field of document.querySelectorAll(".labels")) this.#mark(field.children, field.dataset.product);
  }

  /** Show which label a product has. Until its labels are read, none can be given. */
  #mark(buttons, productId) {
    for (const button of buttons) {
      button.disabled = !this.#labels;
      button.setAttribute("aria-pressed", String(this.#labels?.[productId] === button.dataset.label));
    }
  }
}
