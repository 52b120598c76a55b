// Catalogues of the versions that have answered: an answer is shown with the catalogue of the version that gave it.

import { Problem, ask } from "./api.js";

const ATTEMPTS = 5; // for an answer and a catalogue of one version, while versions are swapped
const known = new Map(); // by version

/** The error of an answer by another version than the one that the page shows. */
export function otherVersionProblem() {
  return new Problem(409, "other-version", "another version is served since");
}

/** The catalogue of the version that is served now. */
export async function servedCatalog(signal) {
  const catalog = await ask("catalog", { signal });
  known.set(catalog.index_version, catalog);
  return catalog;
}

/**
 * The answer of `search()`, which has an index_version, and the catalogue of that version: [answer, catalog].
 * It is called again if its version is no longer served when the catalogue is read.
 */
export async function withCatalog(search, signal) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const found = await search();
    if (!known.has(found.index_version)) await servedCatalog(signal);
    if (known.has(found.index_version)) return [found, known.get(found.index_version)];
  }
  throw otherVersionProblem();
}
