// What the page remembers between visits. Private windows may refuse: then it forgets.
export const memory = {
  get(key, otherwise) {
    try { return JSON.parse(localStorage.getItem(`loopwright.${key}`)) ?? otherwise; } catch { return otherwise; }
  },
  set(key, value) {
    try { localStorage.setItem(`loopwright.${key}`, JSON.stringify(value)); } catch { /* forgotten */ }
  },
};
