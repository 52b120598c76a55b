// Who has the admin token: a button and a dialog that every page has.

import { Problem, adminToken, ask, keepAdminToken } from "./api.js";
import { byId, el, sentence } from "./dom.js";

let onChange = () => {};

/** Show whether this tab has the token, and call `tell(isSignedIn, why)` whenever that changes. */
export function setUpSignIn(tell) {
  onChange = tell;
  const dialog = byId("sign-in");
  const form = dialog.querySelector("form");
  byId("sign-in-open").addEventListener("click", () => {
    if (adminToken()) signOut();
    else openSignIn();
  });
  byId("sign-in-close").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fault = await tryToken(form.elements.token.value.trim());
    byId("sign-in-fault").textContent = fault ?? "";
    form.elements.token.toggleAttribute("aria-invalid", fault !== null);
    if (fault !== null) return;
    form.reset();
    dialog.close();
    show();
  });
  show();
}

/** Ask for the token. */
export function openSignIn() {
  byId("sign-in-fault").textContent = "";
  byId("sign-in").showModal();
}

/** Forget the token; `why` says so where it was not somebody's wish. */
export function signOut(why = null) {
  keepAdminToken(null);
  show(why);
}

function show(why = null) {
  byId("sign-in-open").textContent = adminToken() ? "Sign out" : "Sign in";
  onChange(adminToken() !== null, why);
}

/** Keep the token if the service takes it; otherwise why not. */
async function tryToken(token) {
  const before = adminToken();
  keepAdminToken(token);
  try {
    await ask("/admin/index", { admin: true });
    return null;
  } catch (error) {
    keepAdminToken(before);
    if (error instanceof Problem) return sentence(error.message);
    return "This is no token: a header cannot carry it."; // fetch refuses to send it
  }
}

/** What stands where the token is needed. */
export function signInFirst(words) {
  return el(
    "div", { class: "state" },
    el("p", {}, words),
    el("button", { type: "button", class: "primary", onclick: openSignIn }, "Sign in"),
  );
}
