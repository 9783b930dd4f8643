// Showing the parts of the page. All of them are in the page from the start, so
// that they can be shown without the network; only texts are filled in.

const main = document.getElementById('main');
const sections = new Map([...main.querySelectorAll('[data-screen]')].map((section) => [section.dataset.screen, section]));
const actions = new Map();
const leaving = new Set();
let current = '';

export function screen(name) { return sections.get(name); }

export function shown() { return current; }

// fill sets the texts of the elements marked data-fill="NAME".
export function fill(root, values) {
  for (const [name, text] of Object.entries(values)) {
    for (const element of root.querySelectorAll(`[data-fill="${name}"]`)) { element.textContent = text ?? ''; }
  }
}

// show shows one screen, and tells a screen reader by moving to its heading.
export function show(name, values = {}) {
  const next = sections.get(name);
  for (const leave of leaving) { leave(name); }
  leaving.clear();
  fill(next, values);
  for (const section of sections.values()) { section.hidden = section !== next; }
  document.body.dataset.at = name;
  document.body.classList.toggle('at-work', !['home', 'history', 'loading'].includes(name));
  if (current && current !== name) {
    const heading = next.querySelector('h1');
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  // One step of the browser's history: "back" leads from anywhere to the start.
  if (name === 'home') {
    if (history.state?.away) { history.back(); }
  } else if (name !== 'loading' && !history.state?.away) {
    history.pushState({ away: true }, '', '/phone');
  }
  current = name;
  return next;
}

// problem shows what went wrong and what to do about it.
export function problem(reason, values = {}) {
  const name = 'problem-' + reason;
  return show(sections.has(name) ? name : 'problem-internal', values);
}

// whenLeft runs once the screen that is shown is left.
export function whenLeft(work) { leaving.add(work); }

// leaves gives a signal that aborts once the screen that is shown is left.
export function leaves() {
  const control = new AbortController();
  whenLeft(() => control.abort());
  return control.signal;
}

// on tells what the buttons marked data-do="NAME" do.
export function on(name, work) { actions.set(name, work); }

main.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (button && !button.disabled) { actions.get(button.dataset.do)?.(button); }
});

// text puts arguments into a text of the page: {0}, {1}...
export function text(key, ...args) {
  const words = main.querySelector(`[data-word="${key}"]`)?.textContent ?? '';
  return words.replace(/\{(\d)\}/g, (_, n) => args[Number(n)] ?? '');
}

// message says something beside the fields of a screen; empty takes it away.
export function message(root, words = '') {
  const place = root.querySelector('[data-message]');
  place.textContent = words;
  place.hidden = words === '';
}

const parts = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'Asia/Taipei', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
});

// pieces are a time's day and clock, as all our pages write them.
export function pieces(time) {
  const p = Object.fromEntries(parts.formatToParts(new Date(time)).map(({ type, value }) => [type, value]));
  const clock = `${p.hour}:${p.minute}`;
  if (document.getElementById('phone').dataset.roc) {
    return { day: text('roc', p.year - 1911, Number(p.month), Number(p.day), '').trim(), clock };
  }
  return { day: `${p.year}/${p.month}/${p.day}`, clock };
}

// moment is both together.
export function moment(time) {
  const { day, clock } = pieces(time);
  return `${day} ${clock}`;
}

// clone makes an element of a <template> and fills it in.
export function clone(name, values) {
  const element = document.getElementById('row-' + name).content.firstElementChild.cloneNode(true);
  fill(element, values);
  return element;
}

// busy keeps a button from being pressed twice while its work goes on.
export async function busy(button, work) {
  if (button.getAttribute('aria-busy') === 'true') { return undefined; }
  button.setAttribute('aria-busy', 'true');
  button.disabled = true;
  try {
    return await work();
  } finally {
    button.removeAttribute('aria-busy');
    button.disabled = false;
  }
}
