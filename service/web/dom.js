// Creates elements from plain values. Texts become text nodes and are never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p", { class: "note", onclick: act }, "words ", el("b", {}, "bold"))`. Empty children are left out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An element of a drawing; see `el`. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** A number with separated thousands and at most this many decimals. */
export function count(number, decimals = 0) {
  return number.toLocaleString("en", { maximumFractionDigits: decimals });
}

/** A number with its noun: `plural(2, "product")` is "2 products". */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A number with all of its decimals. */
export function fixed(number, decimals) {
  return number.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** An ordinal number: 1st, 2nd, 3rd, 4th. */
export function ordinal(number) {
  const last = number % 100 >= 11 && number % 100 <= 13 ? 0 : number % 10;
  return `${count(number)}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}

/** A message of the service as a sentence: "query is empty" is "Query is empty." */
export function sentence(words) {
  const [first = "", ...rest] = words;
  return `${first.toUpperCase()}${rest.join("")}${/[.!?…]$/.test(words) ? "" : "."}`;
}

/** Have screen readers say a text. The page needs an element #announcement with aria-live. */
export function announce(words) {
  byId("announcement").textContent = words;
}

/** A description list of pairs [name, value]. */
export function factList(facts) {
  return el(
    "dl", { class: "facts" },
    ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** A button. */
export function button(words, onclick, kind = "primary") {
  return el("button", { type: "button", class: kind, onclick }, words);
}

/** A message in the place of results. Options: words, act (a button), isFault (read out at once). */
export function stateBox(title, { words = null, act = null, isFault = false } = {}) {
  return el("div", { class: "state", role: isFault ? "alert" : null }, el("h2", {}, title), words && el("p", {}, words), act);
}

/** A dialog at the end of the page. Its button to close it asks by the event "cancel", as the key Escape does. */
export function addDialog(attributes, ...content) {
  const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.requestClose() }, "×");
  const dialog = el("dialog", attributes, close, ...content);
  document.body.append(dialog);
  return dialog;
}

/** Show a message over the page, wherever it is scrolled to, until somebody closes it. It is read out at once. */
export function notify(words) {
  const place = byId("notices") ?? el("div", { id: "notices", class: "notices", role: "region", "aria-label": "Messages" });
  document.body.append(place);
  const notice = el(
    "div", { class: "notice", role: "alert" }, el("p", {}, words),
    el("button", { type: "button", class: "quiet", onclick: () => notice.remove() }, "Close"),
  );
  for (const earlier of [...place.children]) if (earlier.firstChild.textContent === words) earlier.remove();
  place.append(notice);
}

/** Whether a click on a link asks for another tab or window, which the browser opens by itself. */
export function isForAnotherTab(event) {
  return event.ctrlKey || event.metaKey || event.shiftKey;
}
