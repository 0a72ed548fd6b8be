// Spares the reload: asks for the screen once a second and puts it in place when it has changed.
// A prompt with a half-typed PIN stays as it is, since its version does not change.
"use strict";

const screen_ = document.getElementById("screen");
const POLL_MILLISECONDS = 1000;

async function look() {
  try {
    const answer = await fetch(screen_.dataset.url, { cache: "no-store" });
    if (answer.ok) show(await answer.text());
  } catch {
    // The simulator is away for a moment, perhaps restarting: the next look will tell.
  }
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html").body;
  const shown = screen_.querySelector(".content");
  const found = next.querySelector(".content");
  screen_.querySelector(".status time").textContent = next.querySelector(".status time").textContent;
  if (shown.dataset.version === found.dataset.version) {
    const left = found.querySelector("[data-seconds]");
    if (left) shown.querySelector("[data-seconds]").textContent = left.textContent;
    return;
  }
  const pin = found.querySelector("#pin");
  pin?.removeAttribute("autofocus"); // only a page that loads may use it; we focus ourselves
  shown.replaceWith(found);
  pin?.focus();
}

// An answer that had a notice in its address must not show it again on the next prompt.
if (location.search) history.replaceState(null, "", location.pathname);
setInterval(look, POLL_MILLISECONDS);
