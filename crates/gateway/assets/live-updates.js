// Keeps a page as the rows are: hears on the live channel that something changed, and fetches the living part of the
// page again. The channel may lose messages, so everything is fetched anew after each reconnection.
// @ts-check

import { morph } from "./morph.js";

const QUIET_MS = 150;
const LONGEST_MS = 1000;
const FAILED_MS = 2000;

const meta = document.querySelector('meta[name="airlock-live"]');
const state = document.getElementById("live-state");

/** @type {number | undefined} */
let timer;
let firstAsked = 0;
let running = false;
let again = false;

/** Fetches soon: a burst of changes is fetched once, an endless one once in a while. */
export function refresh() {
  const now = Date.now();
  if (timer === undefined) firstAsked = now;
  else clearTimeout(timer);
  timer = setTimeout(load, Math.max(0, Math.min(QUIET_MS, firstAsked + LONGEST_MS - now)));
}

async function load() {
  timer = undefined;
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const fresh = await fragment();
    const live = document.getElementById("live");
    if (fresh && live) {
      morph(live, fresh);
      document.dispatchEvent(new CustomEvent("airlock:swapped"));
    }
  } finally {
    running = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

/**
 * The living part of this page as it is now. The browser's own reader makes it a document, in which nothing runs.
 * @returns {Promise<HTMLElement | null>}
 */
function fragment() {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname + location.search);
    request.setRequestHeader("airlock-fragment", "live");
    request.responseType = "document";
    request.onload = () => {
      // Signed out: the answer came from another page.
      if (request.responseURL && new URL(request.responseURL).pathname !== location.pathname) location.reload();
      if (request.status >= 500) later();
      resolve(request.status === 200 ? (request.responseXML?.body ?? null) : null);
    };
    request.onerror = () => {
      later();
      resolve(null);
    };
    request.send();
  });
}

/** What could not be fetched is fetched again: no further event may come. */
function later() {
  setTimeout(refresh, FAILED_MS);
}

/** @param {string} text */
function tell(text) {
  if (!state) return;
  state.textContent = text;
  state.hidden = text === "";
}

function connect() {
  const key = meta?.getAttribute("content");
  const names = (meta?.getAttribute("data-channels") ?? "").split(" ").filter(Boolean);
  const Pusher = /** @type {any} */ (window).Pusher;
  if (!key || !Pusher || names.length === 0) return;
  const port = Number(location.port) || 443;
  const pusher = new Pusher(key, {
    cluster: "",
    wsHost: location.hostname,
    wssPort: port,
    wsPort: port,
    forceTLS: true,
    enabledTransports: ["ws"],
    enableStats: false,
    channelAuthorization: { endpoint: "/pusher/auth", transport: "ajax" },
  });
  let connectedBefore = false;
  pusher.connection.bind("connected", () => {
    tell("");
    // Whatever happened in between was not heard.
    if (connectedBefore) document.dispatchEvent(new CustomEvent("airlock:missed"));
    connectedBefore = true;
  });
  pusher.connection.bind("unavailable", () => tell("Not live: connecting again"));
  pusher.connection.bind("failed", () => tell("Not live: reload to see what is new"));
  for (const name of names) {
    const channel = pusher.subscribe(name);
    // Between the page's making and this moment something may have happened.
    channel.bind("pusher:subscription_succeeded", () => document.dispatchEvent(new CustomEvent("airlock:missed")));
    channel.bind("changed", (/** @type {object} */ detail) =>
      document.dispatchEvent(new CustomEvent("airlock:changed", { detail })));
    channel.bind("output", (/** @type {object} */ detail) =>
      document.dispatchEvent(new CustomEvent("airlock:output", { detail })));
    channel.bind("missed", () => document.dispatchEvent(new CustomEvent("airlock:missed")));
  }
}

document.addEventListener("airlock:changed", refresh);
document.addEventListener("airlock:missed", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
connect();
