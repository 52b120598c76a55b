// The index page: versions and their figures, swap and rollback, live numbers, judgments.

import { Problem, adminToken, ask } from "./api.js";
import { announce, byId, count, el, factList, fixed, plural, sentence } from "./dom.js";
import { readLive, setUpLive } from "./live.js";
import { setUpSignIn, signInFirst } from "./sign_in.js";

const STATE_POLL_MS = 500; // while a version is loaded
const IDLE_POLL_MS = 5000;

let versions = [];
let state = null; // the latest answer of GET /admin/index
let change = null; // the change that this page has started: { version, startedAt }
let isPollFaultShown = false;

function setUp() {
  setUpLive(attempt);
  setUpSignIn((signedIn, why) => {
    byId("content").hidden = !signedIn;
    byId("gate").replaceChildren(...(signedIn ? [] : [signInFirst(why ?? "This page needs the admin token of the service.")]));
    if (signedIn) showAll();
  });
  pollState();
}

async function showAll() {
  await Promise.all([readState(), readVersions(), showJudgments(), readLive()]);
}

/** Run an action and show its outcome, or why it failed. */
async function attempt(act, showFault = (words) => showOutcome(el("span", { class: "fault" }, words))) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 401) showFault(sentence(error.message)); // else the page asks for the token
    return null;
  }
}

/* What is served */

async function pollState() {
  if (adminToken() && !document.hidden) await readState();
  setTimeout(pollState, state?.loading ? STATE_POLL_MS : IDLE_POLL_MS);
}

async function readState() {
  const before = state;
  const shown = await attempt(() => ask("admin/index", { admin: true }));
  if (isPollFaultShown && shown) showChange();
  isPollFaultShown = shown === null;
  // What has not changed is not rendered again, since that would take the focus from it.
  if (!shown || JSON.stringify(shown) === JSON.stringify(before)) return shown?.loading && showProgress(null);
  state = shown;
  showServed();
  showProgress(before?.loading);
  if (before && String(before.available) !== String(state.available)) readVersions();
  else if (before?.served?.version !== state.served?.version || before?.published !== state.published) showVersions();
}

function showServed() {
  const { served } = state;
  const back = state.previous[0];
  const facts = served
    ? {
        version: served.version, model: served.model, products: count(served.count),
        "recall@100": fixed(served.recall_at_100, 4), "index type": served.index_type,
        device: served.index_device, "loaded at": timeOf(served.loaded_at),
      }
    : { state: state.state };
  const notes = [];
  if (!served) notes.push("No version is served; choose one below.");
  if (served && state.published !== served.version)
    notes.push(`A restart would serve ${state.published ?? "nothing"}, which the store publishes.`);
  byId("served").replaceChildren(
    factList(Object.entries(facts)),
    ...notes.map((words) => el("p", { class: "note" }, words)),
    el(
      "button", { type: "button", class: "quiet", id: "roll-back", disabled: !back || Boolean(state.loading), onclick: () => rollBack(back) },
      back ? `Roll back to ${back}` : "Nothing to roll back to",
    ),
  );
}

function showChange(...content) {
  byId("change").hidden = !content.length;
  byId("change").replaceChildren(...content);
}

/** Show how a change has ended, until somebody closes it. */
function showOutcome(words) {
  showChange(words, el("button", { type: "button", class: "quiet", onclick: () => showChange() }, "Close"));
}

function showProgress(wasLoading) {
  const { loading, last_attempt: last } = state;
  if (loading) {
    change ??= { version: loading, startedAt: Date.now() };
    const seconds = fixed((Date.now() - change.startedAt) / 1000, 1);
    showChange(
      el("progress", { "aria-label": "Loading" }),
      el("span", {}, `Loading and checking ${loading} … ${seconds} s. Searches go on with ${state.served?.version ?? "nothing"}.`),
    );
  } else if (wasLoading && change) {
    if (last?.outcome === "served") showDone(last.version, (Date.now() - change.startedAt) / 1000);
    else showOutcome(el("span", { class: "fault" }, `${last?.version} is not served: ${last?.reason}.`));
    change = null;
  }
}

function showDone(version, seconds) {
  showOutcome(el("span", {}, el("strong", {}, version), ` is served since ${fixed(seconds, 1)} s after it was asked for.`));
  announce(`${version} is served`);
}

async function swap(version) {
  const words = `It is loaded and checked beside ${state.served?.version ?? "nothing"}; no search is lost.`;
  if (await isSure(`Serve ${version}?`, words, "Serve it")) await beginChange(version, "admin/index/swap", { body: { version } });
}

async function rollBack(version) {
  if (await isSure(`Roll back to ${version}?`, "It was served before.", "Roll back"))
    await beginChange(version, "admin/index/rollback", { method: "POST" });
}

async function beginChange(version, path, options) {
  change = { version, startedAt: Date.now() };
  state.loading = version; // so that polling for its progress starts at once
  showServed();
  showProgress(null);
  const progress = setInterval(readProgress, STATE_POLL_MS);
  const done = await attempt(() => ask(path, { admin: true, seconds: null, ...options }));
  clearInterval(progress);
  if (done?.version) {
    const seconds = (Date.now() - change.startedAt) / 1000;
    change = null;
    state.loading = null;
    await readState();
    showDone(done.version, seconds);
  } else if (done === null) {
    change = null; // refused; the reason is shown
    state.loading = null;
    showServed();
  }
}

/** Show the progress of a change until its answer comes. */
async function readProgress() {
  const shown = await attempt(() => ask("admin/index", { admin: true }), () => {});
  if (!change || !shown?.loading) return;
  state = shown;
  showProgress(null);
}

function isSure(title, words, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-words").textContent = words;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/* Versions */

async function readVersions() {
  const shown = await attempt(() => ask("admin/versions", { admin: true }));
  if (!shown) return;
  versions = shown.versions;
  showVersions();
}

function showVersions() {
  if (!state) return;
  byId("versions").replaceChildren(
    versions.length
      ? el("ul", { class: "versions" }, ...versions.map(versionItem))
      : el("p", { class: "note" }, "The store has none yet; python -m index_builder build makes one."),
  );
}

function versionItem({ version, figures, fault }) {
  const marks = [
    version === state.served?.version ? el("span", { class: "badge served" }, "served") : null,
    version === state.published ? el("span", { class: "badge" }, "published") : null,
  ];
  const isServed = version === state.served?.version;
  return el(
    "li", { class: "version" },
    el(
      "div", { class: "version-head" },
      el("h3", {}, version), ...marks,
      isServed ? null : el("button", { type: "button", class: "quiet", "aria-label": `Serve ${version}`, onclick: () => swap(version) }, "Serve"),
    ),
    fault ? el("p", { class: "fault" }, sentence(fault)) : figuresOf(version, figures),
  );
}

function figuresOf(version, figures) {
  const withoutPhoto = figures.photos_absent + Object.values(figures.photos_unusable).reduce((total, number) => total + number, 0);
  const unusable = Object.entries(figures.photos_unusable).map(([reason, number]) => `${reason} ${count(number)}`).join(", ");
  const dials = ["nprobe", "k_factor", "ef_search"].filter((dial) => figures[dial]).map((dial) => `${dial} ${figures[dial]}`);
  const isShort = figures.recall_at_100 < figures.target_recall;
  const facts = {
    model: figures.model, built: timeOf(figures.created_at), products: count(figures.count),
    "recall@100": `${fixed(figures.recall_at_100, 4)}${isShort ? `, below ${figures.target_recall}` : ""}`,
    "one query alone": figures.ms_per_query === null ? "not measured" : `${fixed(figures.ms_per_query, 2)} ms`,
    "index type": [figures.index_type, ...dials].join(", "), width: count(figures.width),
    size: `${count(figures.size_bytes / 1e6, 1)} MB`,
    "without a photo": `${count(withoutPhoto)}${unusable ? ` (${unusable})` : ""}`,
  };
  const place = el("div", { class: "curve" });
  return el(
    "div", {},
    factList(Object.entries(facts)),
    figures.has_curve
      ? el("details", { ontoggle: (event) => event.target.open && !place.childElementCount && showCurve(version, place) },
          el("summary", {}, "Recall curve"), place)
      : null,
  );
}

/** Draw the curve onto a canvas: its route needs the token, which an <img> cannot send. */
async function showCurve(version, place) {
  place.replaceChildren(el("p", { class: "note" }, "Loading …"));
  await attempt(
    async () => {
      const path = `admin/versions/${encodeURIComponent(version)}/curve`;
      const image = await createImageBitmap(await ask(path, { admin: true, as: "blob" }));
      const canvas = el("canvas", {
        width: image.width, height: image.height, role: "img", "aria-label": `Recall against time of version ${version}`,
      });
      canvas.getContext("2d").drawImage(image, 0, 0);
      place.replaceChildren(canvas);
    },
    (words) => place.replaceChildren(el("p", { class: "fault" }, words)),
  );
}

function timeOf(iso) {
  return new Date(iso).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

/* Judgments */

async function showJudgments() {
  const place = byId("judgments");
  await attempt(
    async () => {
      const { queries, labels } = await ask("admin/judgments/counts", { admin: true });
      const total = Object.values(labels).reduce((all, number) => all + number, 0);
      place.replaceChildren(
        el("p", {}, total
          ? `${plural(total, "label")} for ${plural(queries, "query", "queries")}: ${Object.entries(labels).map(([label, number]) => `${label} ${count(number)}`).join(", ")}.`
          : "No labels yet. On the search page the switch Judge brings the buttons."),
        el("button", { type: "button", class: "quiet", disabled: !total, onclick: saveJudgments }, "Save judgments.parquet"),
      );
    },
    (words) => place.replaceChildren(el("p", { class: "note" }, words)),
  );
}

async function saveJudgments() {
  await attempt(async () => {
    const address = URL.createObjectURL(await ask("admin/judgments", { admin: true, as: "blob" }));
    el("a", { href: address, download: "judgments.parquet" }).click();
    URL.revokeObjectURL(address);
  });
}

setUp();
