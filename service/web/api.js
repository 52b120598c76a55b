// Requests to the service's routes, for its own pages.

const TOKEN_KEY = "vitrine-admin-token"; // in sessionStorage, so for this tab alone

/** An error answer of the service: a problem detail (RFC 9457). */
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

/**
 * Send a request to a route and return its Response.
 * Options: method, body (sent as JSON), admin (send the token), signal.
 */
export async function request(path, { method, body, admin = false, signal } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (admin && adminToken()) headers.Authorization = `Bearer ${adminToken()}`;
  let answer;
  try {
    answer = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new Problem(0, "unreachable", "the service cannot be reached");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** Send a request to a route and return the JSON of its answer; see `request`. */
export async function ask(path, options) {
  return read(await request(path, options), "json");
}

/** The body of an answer as "json", "text" or "blob". */
export async function read(answer, kind) {
  try {
    return await answer[kind]();
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new Problem(0, "unreachable", "the service's answer broke off");
  }
}

async function problemOf(answer) {
  try {
    const { type, detail } = await answer.json();
    return new Problem(answer.status, type.split(":").at(-1), detail);
  } catch {
    return new Problem(answer.status, "unknown", `the service answered with status ${answer.status}`);
  }
}
