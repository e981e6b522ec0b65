// The live tail of a job's steps. Every byte of a log has its offset: what came already is dropped, what is missing is
// fetched, so that no line is lost and none is there twice, whatever the live channel does.
// @ts-check

import { Terminal } from "./ansi.js";

/** Lines kept of a step that writes without end; older ones are in the whole log. */
const KEPT_LINES = 20_000;
/** A log that is this far ahead of the view is shown from near its end instead. */
const SKIP_BYTES = 8 * 1024 * 1024;
/** What is shown of such a log. */
const TAIL_BYTES = 256 * 1024;
/** Reading again after a failure. */
const RETRY_MS = 2000;

/** @type {Map<string, Tail>} */
const tails = new Map();
const steps = document.getElementById("steps");
const job = steps?.getAttribute("data-job") ?? "";
const slice = Number(steps?.getAttribute("data-slice") ?? "0");

/** The tail of one step's log. */
class Tail {
  /** @param {Element} details @param {HTMLElement} log */
  constructor(details, log) {
    this.step = details.getAttribute("data-step") ?? "";
    this.log = log;
    /** The offset up to which the log was taken. */
    this.next = Number(log.dataset.next);
    /** @type {number | null} */
    this.number = log.dataset.number ? Number(log.dataset.number) : null;
    this.terminal = new Terminal(log.dataset.style);
    this.decoder = new TextDecoder();
    /** @type {HTMLElement | null} */
    this.open = log.querySelector("[data-unfinished]");
    this.fetching = false;
    this.wanted = false;
    this.follows = true;
    this.scheduled = false;
    this.button = this.jump();
    this.last = 0;
    log.addEventListener("scroll", () => this.look(), { passive: true });
    new ResizeObserver(() => this.settle()).observe(log);
  }

  /** Bytes at an offset. @param {number} offset @param {Uint8Array} bytes */
  take(offset, bytes) {
    const end = offset + bytes.length;
    if (end <= this.next) return;
    if (offset > this.next) return this.fetch();
    this.append(bytes.subarray(this.next - offset));
    this.next = end;
  }

  /** Fetches from where the view ends to where the log ends. */
  async fetch() {
    this.wanted = true;
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        const from = this.next;
        const answer = await fetch(`/api/v2/airlock/job/${job}/log?slice=${slice}&step=${this.step}&offset=${from}`);
        if (answer.status === 404) return;
        if (!answer.ok) throw new Error(`the log answered ${answer.status}`);
        const length = Number(answer.headers.get("airlock-log-length"));
        if (length - from > SKIP_BYTES) {
          this.skip(length - TAIL_BYTES);
          continue;
        }
        this.take(from, new Uint8Array(await answer.arrayBuffer()));
        if (this.next < length && this.next > from) this.wanted = true;
      }
    } catch {
      setTimeout(() => this.fetch(), RETRY_MS);
    } finally {
      this.fetching = false;
    }
  }

  /** Leaves out what nobody could read, and says so. @param {number} offset */
  skip(offset) {
    const note = document.createElement("p");
    note.append(document.createElement("a"), document.createElement("i"));
    if (note.lastElementChild) {
      note.lastElementChild.className = "left-out";
      note.lastElementChild.textContent = "… a part that is in the whole log only …";
    }
    this.open?.remove();
    this.open = null;
    this.log.append(note);
    this.number = null;
    this.next = offset;
    this.terminal = new Terminal();
    this.decoder = new TextDecoder();
    this.wanted = true;
  }

  /** @param {Uint8Array} bytes */
  append(bytes) {
    const lines = this.terminal.feed(this.decoder.decode(bytes, { stream: true }));
    const parts = document.createDocumentFragment();
    for (const line of lines) {
      if (this.open) {
        this.fill(this.open, line);
        this.open.removeAttribute("data-unfinished");
        this.open = null;
      } else {
        parts.append(this.line(line));
      }
      if (this.number !== null) this.number += 1;
    }
    this.log.append(parts);
    const rest = this.terminal.unfinished();
    if (rest && this.open) this.fill(this.open, rest);
    else if (rest) {
      this.open = this.line(rest);
      this.open.dataset.unfinished = "";
      this.log.append(this.open);
    } else if (this.open) {
      this.open.remove();
      this.open = null;
    }
    if (this.log.childElementCount > 40) this.log.classList.add("long");
    while (this.log.childElementCount > KEPT_LINES) this.log.firstElementChild?.remove();
    this.log.parentElement?.querySelector(".log-note.none")?.remove();
    this.settle();
  }

  /** @param {import("./ansi.js").Line} line @returns {HTMLElement} */
  line(line) {
    const row = document.createElement("p");
    const mark = document.createElement("a");
    row.append(mark, document.createElement("span"));
    if (this.number !== null) {
      row.id = `s${this.step}-L${this.number}`;
      mark.href = `#${row.id}`;
      mark.textContent = String(this.number);
    }
    this.fill(row, line);
    return row;
  }

  /** Text nodes only: nothing of a log is ever read as markup. @param {HTMLElement} row @param {import("./ansi.js").Line} line */
  fill(row, line) {
    const parts = line.spans.map(({ classes, text }) => {
      if (!classes) return document.createTextNode(text);
      const part = document.createElement("b");
      part.className = classes;
      part.textContent = text;
      return part;
    });
    if (line.leftOut > 0) {
      const note = document.createElement("i");
      note.className = "left-out";
      note.textContent = `… ${line.leftOut} more characters`;
      parts.push(note);
    }
    row.lastElementChild?.replaceChildren(...parts);
  }

  /** @returns {HTMLButtonElement} */
  jump() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn to-end";
    button.textContent = "Jump to end";
    button.hidden = true;
    button.addEventListener("click", () => {
      this.follows = true;
      this.settle();
    });
    this.log.after(button);
    return button;
  }

  /** Whether the reader is at the end, and so stays there. */
  look() {
    const { scrollTop, scrollHeight, clientHeight } = this.log;
    // Lines that arrive between our own scroll and its event leave a gap at the end; only a reader scrolls upwards.
    if (scrollHeight - scrollTop - clientHeight < 24) this.follows = true;
    else if (scrollTop < this.last) this.follows = false;
    this.last = scrollTop;
    this.button.hidden = this.follows;
  }

  /** Goes to the end once the lines are laid out, if the reader was there. */
  settle() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      if (this.follows) this.log.scrollTop = this.log.scrollHeight;
      this.look();
    });
  }
}

/** Finds steps that are new on the page, and fetches for those whose log was left for later once they are open. */
function discover() {
  for (const details of document.querySelectorAll("#steps details.step")) {
    const step = details.getAttribute("data-step") ?? "";
    const log = details.querySelector(".log");
    if (!(log instanceof HTMLElement) || tails.get(step)?.log === log) continue;
    const tail = new Tail(details, log);
    tails.set(step, tail);
    if ("later" in log.dataset) {
      if (details.hasAttribute("open")) tail.fetch();
      else details.addEventListener("toggle", () => tail.fetch(), { once: true });
    }
    show(details, tail);
    details.addEventListener("toggle", () => show(details, tail));
  }
}

/** Opens at what one came for: the failing line, else the end. @param {Element} details @param {Tail} tail */
function show(details, tail) {
  if (!details.hasAttribute("open") || location.hash.startsWith(`#s${tail.step}-L`)) return;
  const hit = tail.log.querySelector(".hit");
  if (hit instanceof HTMLElement && !details.hasAttribute("data-running")) {
    tail.log.scrollTop = Math.max(0, hit.offsetTop - tail.log.offsetTop - 60);
    tail.look();
  } else {
    tail.settle();
  }
}

document.addEventListener("airlock:output", (event) => {
  const { slice: of, step, offset, text } = /** @type {CustomEvent} */ (event).detail;
  if (of !== slice) return;
  const tail = tails.get(String(step));
  // A step that is not on the page yet comes with the next change, and fetches from its beginning.
  if (!tail) return;
  if (typeof text === "string") tail.take(offset, new TextEncoder().encode(text));
  else tail.fetch();
});

document.addEventListener("airlock:changed", (event) => {
  const { slice: of, step } = /** @type {CustomEvent} */ (event).detail;
  // A step's end is also the end of its last line.
  if (of === slice && step !== undefined) tails.get(String(step))?.fetch();
});

document.addEventListener("airlock:missed", () => {
  for (const tail of tails.values()) {
    // What had ended before is there as a whole.
    if (tail.log.closest("details")?.hasAttribute("data-running")) tail.fetch();
  }
});
document.addEventListener("airlock:swapped", discover);
discover();
