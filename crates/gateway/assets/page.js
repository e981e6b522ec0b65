// What every page does beyond showing itself: counts ages and durations on, and copies commands.
// @ts-check

/** @param {number} millis @returns {string} The same words as the server's. */
export function duration(millis) {
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const seconds = Math.floor(millis / 1000);
  if (millis < 100) return `0.${String(millis).padStart(3, "0")} s`;
  if (millis < 1000) return `0.${pad(Math.floor(millis / 10))} s`;
  if (millis < 10_000) return `${seconds}.${Math.floor(millis / 100) % 10} s`;
  if (millis < 3_600_000) return `${pad(Math.floor(seconds / 60))}:${pad(seconds % 60)}`;
  return `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

/** @param {number} millis @returns {string | null} `null` for what is too old to change while one looks. */
function age(millis) {
  const minutes = Math.floor(millis / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ago` : null;
}

function count() {
  const now = Date.now();
  for (const element of document.querySelectorAll("[data-since]")) {
    const since = Number(element.getAttribute("data-since"));
    if (now >= since) element.textContent = duration(now - since);
  }
  for (const element of document.querySelectorAll("[data-at]")) {
    const text = age(now - Number(element.getAttribute("data-at")));
    if (text !== null && text !== element.textContent) element.textContent = text;
  }
}

/** Copying needs the browser's consent, which a page gets over HTTPS. */
function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button.copy[hidden]")) {
    if (button instanceof HTMLElement) button.hidden = false;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button.copy") : null;
  const code = button?.parentElement?.querySelector("code");
  if (!button || !code) return;
  await navigator.clipboard.writeText(code.textContent ?? "");
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
});

document.addEventListener("airlock:swapped", offerCopies);
setInterval(count, 1000);
offerCopies();
