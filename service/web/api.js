// Requests to the service's routes, for its own pages.

const TOKEN_KEY = "vitrine-admin-token"; // in sessionStorage, so for this tab alone
const BASE = new URL("../", import.meta.url); // of the service, which may lie below a prefix of a proxy
const ANSWER_SECONDS = 15; // after which an answer is not waited for any longer; the service itself gives up after 5

/** An error answer of the service: a problem detail (RFC 9457). Its status is 0 if there was no answer. */
export class Problem extends Error {
  constructor(status, kind, detail) {
    super(detail);
    this.status = status;
    this.kind = kind; // the last part of the problem's type, such as "conflict"
  }
}

/** The admin token that was given in this tab, or null. */
export function adminToken() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** Keep the admin token for this tab; null forgets it. */
export function keepAdminToken(token) {
  if (token) sessionStorage.setItem(TOKEN_KEY, token);
  else sessionStorage.removeItem(TOKEN_KEY);
}

/** Whether an error only means that the request was aborted because a newer one replaced it. */
export function isAborted(error) {
  return error.name === "AbortError";
}

/** The address of a path of the service, such as "images/p-1042". */
export function addressAt(path) {
  return new URL(path, BASE).href;
}

/**
 * Send a request to a path of the service and return the body of its answer.
 * Options: method, body (sent as JSON), as ("json", "text" or "blob"), admin (send the token), token (send this one),
 * signal, seconds (the time limit; null for none), keepalive (finish it even if the page is left).
 * A token that the service refuses is forgotten, of which the window gets the event "token-refused".
 */
export async function ask(path, { method, body, as = "json", admin = false, token = null, signal, ...options } = {}) {
  const { seconds = ANSWER_SECONDS, keepalive = false } = options;
  const sent = token ?? (admin ? adminToken() : null);
  const headers = new Headers();
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (sent) headers.set("Authorization", `Bearer ${sent}`);
  const limit = new AbortController();
  const timer = seconds === null ? null : setTimeout(() => limit.abort(), 1000 * seconds);
  let answer = null;
  try {
    answer = await fetch(addressAt(path), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any([limit.signal, ...(signal ? [signal] : [])]),
      keepalive,
    });
    if (!answer.ok) throw await problemOf(answer);
    return await answer[as]();
  } catch (error) {
    if (limit.signal.aborted && !signal?.aborted) throw new Problem(0, "unanswered", `the service has not answered within ${seconds} s`);
    if (error.status === 401 && sent !== null && sent === adminToken()) refuseToken();
    if (error instanceof Problem || isAborted(error)) throw error;
    throw new Problem(0, "unreachable", answer ? "the service's answer broke off" : "the service cannot be reached");
  } finally {
    clearTimeout(timer);
  }
}

function refuseToken() {
  keepAdminToken(null);
  dispatchEvent(new Event("token-refused"));
}

async function problemOf(answer) {
  try {
    const { type, detail } = await answer.json();
    return new Problem(answer.status, type.split(":").at(-1), detail);
  } catch {
    return new Problem(answer.status, "unknown", `the service answered with status ${answer.status}`);
  }
}
