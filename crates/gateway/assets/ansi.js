// Output of programs as lines of styled text: the same machine as the server's renderer, for the live tail, held to the
// same cases. Text in, spans out; it touches no document.
// @ts-check

const LINE_CHARACTERS = 4000;
const ESCAPE_CHARACTERS = 256;
const BOLD = 1, DIM = 2, ITALIC = 4, UNDERLINE = 8, STRIKE = 16, REVERSE = 32;
const FLAG_CLASSES = /** @type {[number, string][]} */ ([[BOLD, "tb"], [DIM, "td"], [ITALIC, "ti"], [UNDERLINE, "tu"], [STRIKE, "ts"]]);
const LEVELS = [0, 95, 135, 175, 215, 255];

/** @typedef {{ flags: number, front: number | null, back: number | null }} Style */
/** @typedef {{ classes: string, text: string }} Span */
/** @typedef {{ spans: Span[], leftOut: number }} Line */

/** @param {Style} style @returns {string} */
function classes(style) {
  const names = FLAG_CLASSES.filter(([flag]) => style.flags & flag).map(([, name]) => name);
  let { front, back } = style;
  if (style.flags & REVERSE) {
    [front, back] = [back, front];
    if (back === null) names.push("tr");
  }
  if (front !== null) names.push(`f${front}`);
  if (back !== null) names.push(`b${back}`);
  return names.join(" ");
}

/** @param {number} red @param {number} green @param {number} blue @returns {number} */
function nearest(red, green, blue) {
  let best = 16, least = Infinity;
  for (let number = 16; number < 256; number++) {
    let colour;
    if (number < 232) {
      const place = number - 16;
      colour = [LEVELS[Math.floor(place / 36)], LEVELS[Math.floor(place / 6) % 6], LEVELS[place % 6]];
    } else {
      const grey = 8 + (number - 232) * 10;
      colour = [grey, grey, grey];
    }
    const distance = (colour[0] - red) ** 2 + (colour[1] - green) ** 2 + (colour[2] - blue) ** 2;
    if (distance < least) [best, least] = [number, distance];
  }
  return best;
}

/** @param {string | undefined} text @param {number} most @returns {number | null} */
function number(text, most) {
  if (text === undefined || !/^[0-9]+$/.test(text)) return null;
  const value = Number(text);
  return value <= most ? value : null;
}

/** `5;N` or `2;R;G;B` after 38 or 48. @param {string[]} codes @returns {number | null} */
function extended(codes) {
  const kind = number(codes.shift(), 255);
  if (kind === 5) return number(codes.shift(), 255);
  if (kind !== 2) return null;
  const parts = [];
  for (let at = 0; at < 3; at++) {
    const part = number(codes.shift(), 255);
    if (part === null) return null;
    parts.push(part);
  }
  return nearest(parts[0], parts[1], parts[2]);
}

/** @param {string} character @returns {string} */
function shown(character) {
  return `⟨U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

export class Terminal {
  /** @param {string} [state] The style to go on with, as the server wrote it. */
  constructor(state = "0 - -") {
    const [flags, front, back] = state.split(" ");
    /** @type {Style} */
    this.style = { flags: Number(flags) || 0, front: number(front, 255), back: number(back, 255) };
    this.mode = "ground";
    this.sequence = "";
    this.dropped = 0;
    /** @type {{ character: string, style: Style }[]} */
    this.cells = [];
    this.column = 0;
    this.leftOut = 0;
    this.touched = false;
  }

  /** @param {string} text @returns {Line[]} The lines that it completed. */
  feed(text) {
    const lines = [];
    for (const character of text) {
      if (character === "\n") {
        this.mode = "ground";
        lines.push(this.take());
      } else {
        this.step(character);
      }
    }
    return lines;
  }

  /** @returns {Line | null} The line that has no end yet, as it stands; it stays. */
  unfinished() {
    return this.touched ? { spans: this.spans(), leftOut: this.leftOut } : null;
  }

  /** @returns {Line} */
  take() {
    const line = { spans: this.spans(), leftOut: this.leftOut };
    this.cells = [];
    this.column = 0;
    this.leftOut = 0;
    this.touched = false;
    return line;
  }

  /** @returns {Span[]} */
  spans() {
    /** @type {Span[]} */
    const spans = [];
    let last = null;
    for (const { character, style } of this.cells) {
      const names = classes(style);
      if (names !== last) {
        spans.push({ classes: names, text: "" });
        last = names;
      }
      spans[spans.length - 1].text += character;
    }
    return spans;
  }

  /** @param {string} character */
  step(character) {
    if (character === "\r") {
      this.mode = "ground";
      this.touched = true;
      this.column = 0;
      this.leftOut = 0;
      return;
    }
    switch (this.mode) {
      case "ground": return this.ground(character);
      case "escape": return this.escape(character);
      case "intermediate":
        if (!(character >= " " && character <= "/")) this.mode = "ground";
        return;
      case "control": return this.control(character);
      case "text":
        if (character === "\u0007" || character === "\u009c") this.mode = "ground";
        else if (character === "\u001b") this.mode = "text-escape";
        else if (++this.dropped > ESCAPE_CHARACTERS * 16) this.mode = "ground";
        return;
      default:
        this.mode = "ground";
        if (character !== "\\") this.escape(character);
    }
  }

  /** @param {string} mode */
  begin(mode) {
    this.mode = mode;
    this.sequence = "";
    this.dropped = 0;
  }

  /** @param {string} character */
  ground(character) {
    const code = /** @type {number} */ (character.codePointAt(0));
    if (code === 0x1b) this.begin("escape");
    else if (code === 0x9b) this.begin("control");
    else if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) this.begin("text");
    else if (code === 0x08) {
      this.touched = true;
      this.column = Math.max(0, this.column - 1);
    } else if (code === 0x09) this.print(character);
    else if (code === 0x07 || code === 0) return;
    else if (code < 0x20) this.print(String.fromCodePoint(0x2400 + code));
    else if (code === 0x7f) this.print("\u2421");
    else if (code >= 0x80 && code <= 0x9f) this.print("\ufffd");
    else if (code === 0x61c || code === 0x200e || code === 0x200f || (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069) || code === 0x2028 || code === 0x2029 || code === 0xfeff) {
      for (const one of shown(character)) this.print(one);
    } else this.print(character);
  }

  /** @param {string} character */
  escape(character) {
    if (character === "[") this.begin("control");
    else if ("]PX^_".includes(character)) this.begin("text");
    else if (character >= " " && character <= "/") this.mode = "intermediate";
    else if (character === "\u001b") this.mode = "escape";
    else this.mode = "ground";
  }

  /** @param {string} character */
  control(character) {
    if (character === "\u001b") return this.begin("escape");
    if (character >= " " && character <= "?" && this.sequence.length < ESCAPE_CHARACTERS) {
      this.sequence += character;
      return;
    }
    this.mode = "ground";
    if (character === "m" && /^[0-;]*$/.test(this.sequence)) {
      this.touched = true;
      this.select(this.sequence);
    } else if (character === "K" && /^[012]?$/.test(this.sequence)) {
      this.touched = true;
      this.erase(Number(this.sequence));
    }
  }

  /** @param {number} what */
  erase(what) {
    if (what === 0) this.cells.length = Math.min(this.cells.length, this.column);
    else if (what === 2) this.cells = [];
    else {
      const end = Math.min(this.column + 1, this.cells.length);
      for (let at = 0; at < end; at++) this.cells[at] = blank();
    }
  }

  /** @param {string} character */
  print(character) {
    this.touched = true;
    if (this.column >= LINE_CHARACTERS) {
      this.leftOut += 1;
      return;
    }
    while (this.cells.length < this.column) this.cells.push(blank());
    this.cells[this.column] = { character, style: this.style };
    this.column += 1;
  }

  /** @param {number} flag @param {boolean} on */
  set(flag, on) {
    this.style.flags = on ? this.style.flags | flag : this.style.flags & ~flag;
  }

  /** Select Graphic Rendition. @param {string} parameters */
  select(parameters) {
    // Cells keep the style they were written in.
    this.style = { ...this.style };
    const codes = parameters.split(";");
    while (codes.length > 0) {
      const [first, ...parts] = /** @type {string} */ (codes.shift()).split(":");
      const code = first === "" ? 0 : number(first, 65535);
      if (code === null) continue;
      if (code === 0) this.style = { flags: 0, front: null, back: null };
      else if (code === 1) this.set(BOLD, true);
      else if (code === 2) this.set(DIM, true);
      else if (code === 3) this.set(ITALIC, true);
      else if (code === 4) this.set(UNDERLINE, parts[0] !== "0");
      else if (code === 7) this.set(REVERSE, true);
      else if (code === 9) this.set(STRIKE, true);
      else if (code === 22) this.set(BOLD | DIM, false);
      else if (code === 23) this.set(ITALIC, false);
      else if (code === 24) this.set(UNDERLINE, false);
      else if (code === 27) this.set(REVERSE, false);
      else if (code === 29) this.set(STRIKE, false);
      else if (code >= 30 && code <= 37) this.style.front = code - 30;
      else if (code >= 90 && code <= 97) this.style.front = code - 82;
      else if (code >= 40 && code <= 47) this.style.back = code - 40;
      else if (code >= 100 && code <= 107) this.style.back = code - 92;
      else if (code === 39) this.style.front = null;
      else if (code === 49) this.style.back = null;
      else if (code === 38 || code === 48) {
        // `38:2::R:G:B` has an empty place for a colour space, `38:2:R:G:B` has none.
        if (parts.length >= 5 && parts[1] === "") parts.splice(1, 1);
        const colour = extended(parts.length > 0 ? parts : codes);
        if (colour !== null) this.style[code === 38 ? "front" : "back"] = colour;
      }
    }
  }
}

function blank() {
  return { character: " ", style: { flags: 0, front: null, back: null } };
}
