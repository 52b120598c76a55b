// Signing in with the admin token: a button and a dialog on every page.

import { Problem, adminToken, ask, keepAdminToken } from "./api.js";
import { addDialog, button, byId, el, sentence } from "./dom.js";

let onChange = () => {};

/**
 * Show whether this tab has the token, and call `tell(isSignedIn, why)` whenever that changes. `why` is given when the service
 * has refused a token that it took before, which is forgotten.
 */
export function setUpSignIn(tell) {
  onChange = tell;
  const form = signInForm();
  const dialog = addDialog({ id: "sign-in", class: "small", "aria-labelledby": "sign-in-title" }, form);
  byId("sign-in-open").addEventListener("click", () => {
    if (adminToken()) signOut();
    else openSignIn();
  });
  addEventListener("token-refused", () => show("The service does not take this token any more. Sign in again."));
  addEventListener("popstate", () => dialog.close());
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

function signInForm() {
  return el(
    "form", { method: "dialog" },
    el("h2", { id: "sign-in-title" }, "Sign in"),
    el("label", { for: "token" }, "Admin token of the service"),
    el("input", {
      id: "token", name: "token", type: "password", autocomplete: "off", required: true, autofocus: true,
      "aria-describedby": "sign-in-fault",
    }),
    el("p", { id: "sign-in-fault", class: "fault", role: "alert" }),
    el("p", { class: "note" }, "Kept in this tab until it is closed."),
    el("button", { class: "primary" }, "Sign in"),
  );
}

/** Ask for the token. */
export function openSignIn() {
  byId("sign-in-fault").textContent = "";
  byId("sign-in").showModal();
}

function signOut() {
  keepAdminToken(null);
  show();
}

function show(why = null) {
  byId("sign-in-open").textContent = adminToken() ? "Sign out" : "Sign in";
  onChange(adminToken() !== null, why);
}

/** Keep the token if the service accepts it; otherwise return why it does not. */
async function tryToken(token) {
  try {
    await ask("admin/index", { token });
    keepAdminToken(token);
    return null;
  } catch (error) {
    if (error instanceof Problem) return sentence(error.message);
    return "This is no token: it has characters that a header cannot carry."; // headers refuse it
  }
}

/** The message shown where the token is needed. */
export function signInFirst(words) {
  return el("div", { class: "state" }, el("p", {}, words), button("Sign in", openSignIn));
}
