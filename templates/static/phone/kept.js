// The accounts on this phone and the record of what it approved.
import { Problem, call, now } from './api.js';
import { nonce, statement } from './keys.js';
import * as presence from './presence.js';
import { mayReport, report } from './report.js';
import { busy, clone, fill, leaves, message, moment, on, problem, screen, show, text } from './screens.js';
import * as vault from './vault.js';

const pin = document.getElementById('remove-pin');

const CHECK_EVERY = 10 * 60 * 1000;

// usable are the accounts that may be tried: the server has the last word.
export async function usable() { return (await vault.accounts()).filter((account) => account.state !== 'pending'); }

// self asks something about this phone's own account, signed by its key; shown
// makes, of the bytes that are signed, the proof that its person is there.
async function self(account, action, { shown = () => ({}), more = {} } = {}) {
  const asked = { device_id: account.device, action, time: now(), nonce: nonce() };
  const lines = [location.origin, asked.action, asked.device_id, asked.time, asked.nonce];
  const { bytes, signature } = await statement(account.key, 'taipeion-phone-self-v1', lines);
  return call('POST', 'self', { body: { ...asked, ...more, signature, ...await shown(bytes) } });
}

function row(account, act) {
  const item = clone('account', { person: account.person, agency: account.agency, name: account.name });
  item.firstElementChild.dataset.device = account.device;
  item.firstElementChild.dataset.do = act;
  const badge = item.querySelector('[data-fill="state"]');
  badge.hidden = !account.standing || account.standing === 'active';
  if (!badge.hidden) { badge.textContent = text('standing.' + account.standing); }
  return item;
}

// list shows the accounts on a screen.
export function list(root, accounts, act) {
  root.querySelector('[data-accounts]').replaceChildren(...accounts.map((account) => row(account, act)));
}

// refresh draws the start anew, whether it is shown or not.
export async function refresh() {
  const accounts = await usable();
  const root = screen('home');
  list(root, accounts, 'account');
  root.querySelector('[data-none]').hidden = accounts.length > 0;
  root.querySelector('[data-some]').hidden = accounts.length === 0;
}

export async function home() {
  await refresh();
  show('home');
}

// check asks the server how the accounts stand, and notes it.
export async function check() {
  for (const account of await usable()) {
    if (account.checked > Date.now() - CHECK_EVERY && account.standing === 'active') { continue; }
    try {
      const answer = await self(account, 'status');
      account.standing = answer.standing;
      account.name = answer.name || account.name;
      account.checked = Date.now();
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.reason !== 'phone_unusable') { continue; }
      account.standing = 'revoked';
    }
    await vault.saveAccount(account);
  }
}

// doubt asks about an account at once: the server would not have it.
export async function doubt(account) {
  await vault.saveAccount({ ...account, checked: 0 });
  await check();
  await refresh();
}

let looked; // the account that is shown

async function showAccount(button) {
  looked = await vault.account(button.dataset.device);
  const root = show('account', {
    person: looked.person, agency: looked.agency, name: looked.name, bound: moment(looked.bound), ends: moment(looked.ends),
    presence: text('presence.' + looked.presence),
  });
  message(root);
  pin.value = '';
  root.querySelector('[data-pin]').hidden = true;
  const remove = root.querySelector('[data-do="remove"]');
  remove.dataset.pressed = '';
  remove.querySelector('[data-label]').textContent = text('remove');
}

// present proves that it is the person who takes the account off.
async function present(bytes) {
  if (looked.presence === 'pin') { return { pin: pin.value.normalize('NFKC') }; }
  try {
    return { webauthn: await presence.assert(looked.credential, bytes) };
  } catch {
    throw new Problem('presence.failed');
  }
}

// remove takes the account off this phone and ends its binding. Where the server
// has no use for it any more it is only forgotten here, and where the PIN is used
// up the computer ends the binding.
async function remove(button) {
  const root = screen('account');
  message(root);
  if (!button.dataset.pressed) {
    button.dataset.pressed = 'yes';
    button.querySelector('[data-label]').textContent = button.dataset.sure;
    root.querySelector('[data-pin]').hidden = looked.presence !== 'pin';
    return;
  }
  if (looked.presence === 'pin' && !/^[0-9]{6,12}$/.test(pin.value.normalize('NFKC'))) {
    message(root, text(pin.value ? 'pin.short' : 'pin.missing'));
    pin.focus();
    return;
  }
  let end = 'removed';
  try {
    await self(looked, 'unbind', { shown: present });
  } catch (cause) {
    const reason = cause instanceof Problem ? cause.reason : 'internal';
    if (reason === 'presence.failed' || reason === 'pin_wrong') {
      message(root, text(reason === 'pin_wrong' ? 'pin.wrong.here' : 'presence.failed'));
      return;
    }
    if (!['phone_unusable', 'pin_blocked'].includes(reason)) {
      problem(reason);
      return;
    }
    if (reason === 'pin_blocked') { end = 'removed-here'; }
  } finally {
    pin.value = '';
  }
  await vault.forgetAccount(looked.device);
  show(end);
}

// decided asks the server for a page of what this person's phones decided; nothing
// without a network.
async function decided(account, before) {
  try {
    const english = document.documentElement.lang === 'en';
    const { decided: all = [], decided_before: older = 0 } = await self(account, 'status', { more: { before } });
    const entries = all.map((entry) => ({
      at: entry.at, system: (english && entry.client_name_en) || entry.client_name || text('portal'), person: account.person,
      result: entry.ok ? entry.decision : 'failed', place: text(entry.here ? 'here' : 'elsewhere'), browser: '',
    }));
    return { entries, older };
  } catch {
    return null;
  }
}

const TOGETHER = 15000; // ms: as far apart may the two notes of one decision be

let seen; // what the history shows

// read takes one page more of what the server knows of each account, and tells whether
// all came. What it did not answer is asked for again; the record is that of all phones
// once each account's first page is there, whatever becomes of older ones.
async function read(record) {
  const answers = await Promise.all(record.next.map(async ([account, before]) => [account, before, await decided(account, before)]));
  record.told.push(...answers.flatMap(([, , answer]) => answer?.entries ?? []));
  record.next = answers.filter(([, , answer]) => !answer || answer.older).map(([account, before, answer]) => [account, answer?.older ?? before]);
  record.whole = answers.length > 0 && record.next.every(([, before]) => before > 0);
  return answers.every(([, , answer]) => answer);
}

// entries are what this phone noted and what the server knows beyond that.
function entries({ own, told }) {
  const beyond = told.filter((entry) => !own.some(
    (other) => other.result === entry.result && other.system === entry.system && Math.abs(other.at - entry.at) < TOGETHER));
  return [...own, ...beyond].sort((one, other) => other.at - one.at);
}

function logRow(entry) {
  const about = [entry.browser, entry.place].filter(Boolean).join(' · ');
  const item = clone('log', { system: entry.system, time: moment(entry.at), seen: about, result: text('result.' + entry.result) });
  item.querySelector('.badge').classList.toggle('bad', entry.result !== 'approve');
  const not = item.querySelector('[data-do="not-me"]');
  not.hidden = !mayReport(entry);
  not.dataset.entry = entry.id ?? '';
  return item;
}

// notMe reports a login that this phone approved.
async function notMe(button) {
  const entry = await vault.approval(Number(button.dataset.entry));
  const account = entry && await vault.account(entry.device);
  if (!account) {
    problem('unbound');
    return;
  }
  try {
    const end = await report(account, entry.login);
    await vault.changeApproval({ ...entry, result: 'report' });
    show(end);
  } catch (cause) {
    problem(cause instanceof Problem ? cause.reason : 'internal');
  }
}

function drawHistory(root, record) {
  const all = entries(record);
  fill(root, { source: text(record.whole ? 'source.all' : 'source.phone') });
  root.querySelector('[data-empty]').hidden = all.length > 0;
  root.querySelector('[data-do="older"]').hidden = !record.next.some(([, before]) => before > 0);
  const log = root.querySelector('[data-log]');
  log.hidden = all.length === 0;
  log.replaceChildren(...all.map(logRow));
}

async function showHistory() {
  const root = show('history', { source: '' });
  message(root);
  const left = leaves();
  const accounts = await usable();
  const record = { own: await vault.approvals(), told: [], next: [], whole: false };
  if (left.aborted) { return; }
  seen = record;
  drawHistory(root, record);
  record.next = accounts.map((account) => [account, 0]);
  await read(record);
  if (!left.aborted) { drawHistory(root, record); }
}

async function showOlder() {
  const left = leaves();
  const record = seen;
  const came = await read(record);
  if (left.aborted) { return; }
  drawHistory(screen('history'), record);
  message(screen('history'), came ? '' : text('older.failed'));
}

on('account', showAccount);
on('remove', (button) => busy(button, () => remove(button)));
on('history', showHistory);
on('older', (button) => busy(button, showOlder));
on('not-me', (button) => busy(button, () => notMe(button)));
