// Small helpers for elements.
export const $ = (id) => document.getElementById(id);

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list") node[key] = value;
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(props).forEach(([key, value]) => node.setAttribute(key, value));
  node.append(...children);
  return node;
}

const STAR = "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L3.6 9.7l5.8-.8z";
export const starIcon = () => svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: STAR, "stroke-linejoin": "round" }));

export function toast(text, { bad = false, action, label } = {}) {
  const box = el("div", { class: bad ? "toast bad" : "toast" }, el("span", { textContent: text }));
  if (action) box.append(el("button", { textContent: label, onclick: () => { box.remove(); action(); } }));
  box.append(el("button", { class: "quiet", textContent: "×", "aria-label": "Dismiss", onclick: () => box.remove() }));
  $("toasts").append(box);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => box.remove(), action ? 30000 : bad ? 12000 : 5000);
}
