// Brings an element to the state of a fresh one from the server while keeping what the reader did: what is open stays
// open, logs stay with their lines, focus and typing stay.
// @ts-check

/** @param {Node} node @returns {string} What is compared: an element with the same name is the same element. */
function key(node) {
  if (!(node instanceof Element)) return `#${node.nodeType}`;
  return node.id ? `id:${node.id}` : node.localName;
}

/**
 * @param {Element} old The element in the page.
 * @param {Element} fresh The same from the server; used up.
 */
export function morph(old, fresh) {
  const byId = new Map();
  for (const child of old.children) if (child.id) byId.set(child.id, child);
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let found = null;
    if (wanted instanceof Element && wanted.id && byId.has(wanted.id)) found = byId.get(wanted.id);
    else if (place && key(place) === key(wanted)) found = place;
    if (!found) {
      old.insertBefore(document.adoptNode(wanted), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    same(found, wanted);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
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
