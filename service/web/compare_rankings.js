// The two rankings that are compared: the served version's, and that of another version or of one part of its own scores.
// What it is compared with is a text: "part:text", "part:photo" or "version:ID".

import { Problem, ask } from "./api.js";
import { otherVersionProblem, withCatalog } from "./catalog.js";
import { count } from "./dom.js";

const POLL_MS = 400; // while a version is loaded
const ATTEMPTS = 5; // for both rankings by one version, while versions are swapped

/** The version that the served one is compared with; null for a part of its own scores. */
export function versionOf(other) {
  return other?.startsWith("version:") ? other.slice("version:".length) : null;
}

/** The part of the served version's scores that it is compared with; null for another version. */
export function partOf(other) {
  return other?.startsWith("part:") ? other.slice("part:".length) : null;
}

/** Search both sides: { left, right, catalog }, with the catalogue of the served version that answered. */
export async function bothRankings({ query, depth, other }, signal) {
  const body = { query, k: depth };
  const [part, id] = [partOf(other), versionOf(other)];
  const searchOther = () => part
    ? ask("search", { body: { ...body, part }, signal })
    : ask("admin/compare/search", { body, signal, admin: true });
  const searchServed = () => withCatalog(() => ask("search", { body, signal }), signal);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const [[left, catalog], right] = await Promise.all([searchServed(), searchOther()]);
    if (part && right.index_version !== left.index_version) continue; // one was searched before a swap, the other after
    if (id && right.index_version !== id)
      throw new Problem(409, "conflict", `somebody else loaded ${right.index_version} in the place of ${id}`);
    if (left.index_version === id) throw new Problem(409, "other-version", `${id} is served now`);
    return { left, right, catalog };
  }
  throw otherVersionProblem();
}

/** Load a version beside the served one if it is not loaded yet. tell(words): shows how far it is; null when it is done. */
export async function makeReady(id, tell, signal) {
  let state = await ask("admin/compare", { admin: true, signal });
  if (state.version === id && !state.loading) return;
  const started = Date.now();
  const tellHowLong = () => {
    const act = (state.loading ?? id) === id ? `Loading ${id} beside the served version` : `Waiting until ${state.loading} is loaded`;
    if (!signal.aborted) tell(`${act} … ${count((Date.now() - started) / 1000)} s`);
  };
  tellHowLong();
  const ticking = setInterval(tellHowLong, POLL_MS);
  try {
    for (let isBegun = false; state.version !== id || state.loading; ) {
      if (state.loading) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        state = await ask("admin/compare", { admin: true, signal });
      } else if (isBegun) throw new Problem(422, "version-refused", `version ${id} could not be loaded; the service's log says why`);
      else {
        isBegun = true;
        state = await ask("admin/compare/load", { admin: true, signal, body: { version: id }, seconds: null }); // it may take long
      }
    }
  } finally {
    clearInterval(ticking);
    if (!signal.aborted) tell(null);
  }
}
