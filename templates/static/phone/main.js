// The app on the phone: what it opens with, and what its buttons lead to.
import * as bind from './bind.js';
import { hasCamera, picture, scan } from './camera.js';
import * as kept from './kept.js';
import { fromAddress, read } from './link.js';
import * as login from './login.js';
import { fill, leaves, message, on, problem, screen, show, shown, text } from './screens.js';

const file = document.getElementById('picture');
const video = document.getElementById('camera');
const typed = document.getElementById('code');

let linked = ''; // the code of the link that the app was opened with
let last = ''; // what was being done: 'bind' or 'login'

// handle goes on with what was read.
async function handle(found) {
  last = found.kind;
  switch (found.kind) {
    case 'bind': await bind.start(found); break;
    case 'login': await login.begin(found.code); break;
    case 'foreign': problem('foreign', { detail: found.host }); break;
    default: problem(found.kind);
  }
}

function camera(trouble) {
  const root = screen('scan');
  root.querySelector('[data-finder]').hidden = Boolean(trouble);
  root.querySelector('[data-no-camera]').hidden = !trouble;
  if (trouble) { fill(root, { camera: text('camera.' + trouble), 'camera-do': text('camera.' + trouble + '.do') }); }
}

async function startScan() {
  const root = show('scan');
  const left = leaves();
  message(root);
  file.value = '';
  camera(hasCamera() ? '' : 'none');
  if (!hasCamera()) { return; }
  try {
    const found = await scan(video, (words) => words.trim() !== '', left);
    navigator.vibrate?.(50);
    await handle(read(found));
  } catch (cause) {
    if (!left.aborted) { camera(cause.name === 'NotAllowedError' ? 'denied' : 'none'); }
  }
}

async function readPicture() {
  if (!file.files[0]) { return; }
  const root = screen('scan');
  message(root, text('waiting'));
  let words = '';
  try {
    words = await picture(file.files[0]);
  } catch { /* not a picture */ }
  file.value = '';
  if (words) { await handle(read(words)); } else { message(root, text('no_code')); }
}

function startTyping() {
  typed.value = '';
  message(show('type'));
  typed.focus();
}

function retry() {
  const again = last === 'bind' ? bind.again() : login.again();
  if (!again) { kept.home(); }
}

function watchNetwork() {
  const strip = document.querySelector('[data-offline]');
  const look = () => { strip.hidden = navigator.onLine !== false; };
  addEventListener('online', look);
  addEventListener('offline', look);
  look();
}

// offerInstall shows how to keep the app on the home screen.
function offerInstall() {
  const root = screen('home');
  let offer;
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    offer = event;
    root.querySelector('[data-install]').hidden = false;
  });
  on('install', async () => {
    root.querySelector('[data-install]').hidden = true;
    await offer.prompt();
  });
  const apple = /iPhone|iPad/.test(navigator.userAgent) && navigator.standalone === false;
  root.querySelector('[data-install-ios]').hidden = !apple;
}

function supported() { return isSecureContext && Boolean(globalThis.crypto?.subtle) && Boolean(globalThis.indexedDB); }

async function begin() {
  const opened = fromAddress();
  if (!supported()) {
    problem('unsupported');
    return;
  }
  watchNetwork();
  offerInstall();
  try {
    await kept.usable();
  } catch {
    problem('unsupported'); // no place for keys
    return;
  }
  if (opened.kind === 'bind' || opened.kind === 'cut') {
    await handle(opened);
  } else if (opened.kind === 'login') {
    // A link decides nothing by itself: whoever opened it is asked first.
    linked = opened.code;
    show('open');
  } else if (!await bind.resume()) {
    await kept.home();
  }
  navigator.serviceWorker?.register('/phone/worker.js', { scope: '/phone' }).catch(() => { /* works without */ });
  await kept.check();
  await kept.refresh(); // the person may have gone on meanwhile
}

on('home', () => {
  bind.drop();
  kept.home();
});
on('scan', startScan);
on('type', startTyping);
on('retry', retry);
on('continue', () => handle({ kind: 'login', code: linked }));
file.addEventListener('change', readPicture);
document.getElementById('type-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const found = read(typed.value);
  if (found.kind === 'unknown') { message(screen('type'), text('type.unknown')); } else { handle(found); }
});
addEventListener('popstate', () => { if (shown() !== 'home') { kept.home(); } });

begin();
