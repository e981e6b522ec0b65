// Brings an element to the state of a fresh one from the server while keeping what the reader did: what is open stays
// open, logs stay with their lines, focus and typing stay.
// @ts-check

/** @param {Node} node @returns {string} Nodes with the same name are taken for the same. */
function name(node) {
  if (!(node instanceof Element)) return `#${node.nodeType}`;
  return node.id ? `id:${node.id}` : `${node.localName}.${node.classList[0] ?? ""}`;
}

/** @param {Node} node @returns {boolean} White space between elements: readers of HTML keep it or not, as they like. */
function isBlank(node) {
  return node.nodeType === Node.COMMENT_NODE || (node.nodeType === Node.TEXT_NODE && !node.nodeValue?.trim());
}

/**
 * @param {Element} old The element in the page.
 * @param {Element} fresh The same from the server; used up.
 */
export function morph(old, fresh) {
  const left = [...old.childNodes].filter((node) => !isBlank(node));
  const wanted = [...fresh.childNodes].filter((node) => !isBlank(node));
  const nodes = wanted.map((node) => {
    const at = left.findIndex((candidate) => name(candidate) === name(node));
    if (at < 0) return document.adoptNode(node);
    const [found] = left.splice(at, 1);
    same(found, node);
    return found;
  });
  for (const node of left) node.remove();
  let place = old.firstChild;
  for (const node of nodes) {
    while (place && isBlank(place)) place = place.nextSibling;
    if (node === place) place = place.nextSibling;
    else old.insertBefore(node, place);
  }
}

/** @param {Node} old @param {Node} fresh */
function same(old, fresh) {
  if (!(old instanceof Element) || !(fresh instanceof Element)) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  // The log view owns its lines; fields belong to who types in them.
  if (old.classList.contains("log-part")) return;
  if (old.matches("input, textarea") || old.contains(document.activeElement) && old.matches("form")) return;
  attributes(old, fresh);
  morph(old, fresh);
}

/** @param {Element} old @param {Element} fresh */
function attributes(old, fresh) {
  const details = old instanceof HTMLDetailsElement;
  // A step that has just failed opens itself; otherwise it is as the reader left it.
  const opens = details && fresh.hasAttribute("open") && old.hasAttribute("data-running") && !fresh.hasAttribute("data-running");
  for (const { name } of [...old.attributes]) {
    if (details && name === "open") continue;
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (details && name === "open") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (opens) old.setAttribute("open", "");
}
