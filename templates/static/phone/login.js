// A login on a computer: scanned, shown, and decided on this phone.
import { Problem, call, now } from './api.js';
import * as kept from './kept.js';
import { nonce, sign, statement } from './keys.js';
import * as presence from './presence.js';
import { approval, report } from './report.js';
import { busy, message, on, pieces, problem, screen, show, text, whenLeft } from './screens.js';
import { toBase64url } from './bytes.js';
import * as vault from './vault.js';

const form = document.getElementById('approve-form');
const number = document.getElementById('number');
const pin = document.getElementById('pin');

let code = ''; // that was scanned last
let work; // the login under way: {account, scanned, seen}

// begin takes a code that was scanned, typed, or opened as a link.
export async function begin(scanned) {
  code = scanned;
  work = undefined;
  const accounts = await kept.usable();
  if (accounts.length === 0) {
    problem('unbound');
  } else if (accounts.length === 1) {
    await scan(accounts[0]);
  } else {
    kept.list(screen('choose'), accounts, 'choose');
    show('choose');
  }
}

async function ask(account) {
  const asked = { device_id: account.device, code, time: now(), nonce: nonce() };
  const lines = [location.origin, asked.code, asked.device_id, asked.time, asked.nonce];
  const { signature } = await statement(account.key, 'taipeion-phone-scan-v1', lines);
  return call('POST', 'scan', { body: { ...asked, signature } });
}

async function scan(account) {
  show('loading');
  try {
    let scanned;
    try {
      scanned = await ask(account);
    } catch (cause) {
      // The answer told us the right time.
      if (!(cause instanceof Problem) || cause.reason !== 'phone_clock') { throw cause; }
      scanned = await ask(account);
    }
    open(account, scanned);
  } catch (cause) {
    fail(cause);
    if (cause instanceof Problem && cause.reason === 'phone_unusable') { await kept.doubt(account); }
  }
}

function fail(cause) { problem(cause instanceof Problem ? cause.reason : 'internal'); }

// seen puts what the server says about the login into words.
function seen(scanned) {
  const english = document.documentElement.lang === 'en';
  const { browser, system } = scanned;
  return {
    system: (english && scanned.client_name_en) || scanned.client_name || text('portal'),
    browser: browser && system ? text('browser', browser, system) : browser || system || text('browser.unknown'),
    place: text('network.' + scanned.network), ...pieces(scanned.started),
  };
}

function open(account, scanned) {
  work = { account, scanned, seen: seen(scanned) };
  for (const field of [number, pin]) { field.value = ''; }
  const root = screen('approve');
  turn(false);
  root.querySelector('[data-outside]').hidden = scanned.network !== 'outside';
  message(root);
  display();
}

function display() {
  const { account, scanned } = work;
  show('approve', { ...work.seen, person: account.person, agency: scanned.agency || account.agency });
  const tick = () => {
    const left = Math.ceil((scanned.ends - now()) / 1000);
    if (left <= 0) {
      note('failed');
      problem('attempt_over');
      return;
    }
    screen('approve').querySelector('[data-fill="left"]').textContent = text('left', left);
  };
  tick();
  const timer = setInterval(tick, 1000);
  whenLeft(() => clearInterval(timer));
}

// note keeps what became of the login, in the place of what was noted of it.
async function note(result) {
  const { attempt, client_id, nonce } = work.scanned;
  const entry = {
    at: now(), device: work.account.device, person: work.account.person, ...work.seen, login: { attempt, client_id, nonce }, result,
  };
  if (work.noted) {
    await vault.changeApproval({ ...entry, id: work.noted });
  } else {
    work.noted = await vault.noteApproval(entry);
  }
}

// decide signs what was decided, byte for byte as the protocol has it.
async function decide(decision, typed) {
  const { account, scanned } = work;
  const body = {
    device_id: account.device, attempt: scanned.attempt, client_id: scanned.client_id, number: typed, time: now(), decision,
  };
  const bytes = approval(account, scanned, body);
  if (decision === 'approve' && scanned.presence === 'webauthn') {
    try {
      body.webauthn = await presence.assert(scanned.credential || account.credential, bytes);
    } catch {
      throw new Problem('presence.failed');
    }
  } else if (decision === 'approve') {
    body.pin = pin.value.normalize('NFKC');
  }
  body.signature = toBase64url(await sign(account.key, bytes));
  await call('POST', 'decide', { body });
}

async function approve() {
  const root = screen('approve');
  message(root);
  if (!/^[0-9]{2}$/.test(number.value)) {
    message(root, text('number.missing'));
    turn(false);
    return;
  }
  if (work.scanned.presence === 'pin' && !/^[0-9]{6,12}$/.test(pin.value.normalize('NFKC'))) {
    // What can't be a PIN is not sent, and so not counted.
    message(root, text(pin.value ? 'pin.short' : 'pin.missing'));
    ready();
    return;
  }
  try {
    await decide('approve', number.value);
  } catch (cause) {
    await refused(cause);
    return;
  } finally {
    pin.value = '';
  }
  await note('approve');
  show('approved', work.seen);
}

// refused tells what can be mended here from what has ended the login.
async function refused(cause) {
  const reason = cause instanceof Problem ? cause.reason : 'internal';
  if (reason === 'presence.failed' || reason === 'pin_wrong') {
    message(screen('approve'), text(reason.replace('_', '.')));
    ready();
    return;
  }
  if (!passing(reason)) { await note('failed'); }
  problem(reason);
  if (reason === 'phone_unusable') { await kept.doubt(work.account); }
}

function passing(reason) { return ['offline', 'unavailable', 'throttled', 'phone_clock', 'internal'].includes(reason); }

async function deny() {
  try {
    await decide('deny', '');
  } catch (cause) {
    // An attempt that is over already is refused as well.
    if (!(cause instanceof Problem) || !['attempt_over', 'number_wrong'].includes(cause.reason)) {
      fail(cause);
      return;
    }
  }
  await note('deny');
  show('denied');
}

// notMe works as long as the login is known here: while it waits, and after it
// was approved or has ended.
async function notMe() {
  if (!work) { return; }
  try {
    const end = await report(work.account, work.scanned);
    await note('report');
    show(end);
  } catch (cause) {
    fail(cause);
  }
}

// again goes back to the login that could not be decided, or scans anew.
export function again() {
  if (work && now() < work.scanned.ends) {
    display();
    return true;
  }
  if (code) { begin(code); }
  return code !== '';
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  busy(form.querySelector('[data-go]'), approve);
});

number.addEventListener('input', () => {
  number.value = number.value.normalize('NFKC').replace(/[^0-9]/g, '').slice(0, 2);
  if (number.value.length === 2) { ready(); }
});

// turn takes the number pad away for the PIN, where one is asked for, and back.
function turn(done) {
  const asks = done && work.scanned.presence === 'pin';
  form.querySelector('[data-pad]').hidden = asks;
  form.querySelector('[data-pin]').hidden = !asks;
  return asks;
}

function ready() { (turn(true) ? pin : form.querySelector('[data-go]')).focus(); }

number.addEventListener('focus', () => { if (work) { turn(false); } });

on('digit', (button) => {
  if (number.value.length < 2) { number.value += button.dataset.digit; }
  if (number.value.length === 2) { ready(); }
});
on('erase', () => { number.value = number.value.slice(0, -1); });
on('deny', (button) => busy(button, deny));
on('report', (button) => busy(button, notMe));
on('choose', (button) => busy(button, async () => scan(await vault.account(button.dataset.device))));
