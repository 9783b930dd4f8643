// Binding this phone: from the key QR code to the certificate.
import { Problem, call, now } from './api.js';
import { concat, fromBase64url, sha256, toBase64url, utf8 } from './bytes.js';
import { certificateRequest, digits, newKey, proof } from './keys.js';
import * as presence from './presence.js';
import { busy, leaves, message, moment, on, problem, screen, show, text } from './screens.js';
import * as vault from './vault.js';

const ASK_EVERY = 1000;

const form = document.getElementById('bind-form');
const name = document.getElementById('device-name');
const pins = [document.getElementById('pin-1'), document.getElementById('pin-2')];

let work; // the binding under way: {id, secret, pair, platform, credential}

function kind() {
  const agent = navigator.userAgent;
  if (/iPhone/.test(agent)) { return ['ios', 'name.iphone']; }
  if (/iPad/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) { return ['ios', 'name.ipad']; }
  if (/Android/.test(agent)) { return ['android', 'name.android']; }
  return ['other', 'name.other'];
}

function ask(platform) {
  const root = screen('bind');
  root.querySelector('[data-platform]').hidden = !platform;
  root.querySelector('[data-pin]').hidden = platform;
  for (const pin of pins) {
    pin.value = '';
    pin.required = !platform;
  }
  work.platform = platform;
}

// drop forgets the secret of the key QR code and the PIN.
export function drop() {
  work = undefined;
  for (const pin of pins) { pin.value = ''; }
}

// start asks for a name and how the person will prove to be there.
export async function start({ id, secret }) {
  work = { id, secret };
  ask(await presence.platform());
  if (!name.value) { name.value = text(kind()[1]); }
  message(screen('bind'));
  show('bind', { host: location.host });
}

// pin returns what was chosen, or says what is wrong with it.
function chosenPIN() {
  const [first, second] = pins.map((pin) => pin.value.normalize('NFKC'));
  if (!/^[0-9]{6,12}$/.test(first)) { return { wrong: 'pin.short' }; }
  const steps = new Set([...first].slice(1).map((digit, i) => digit - first[i]));
  if (steps.size === 1 && [0, 1, -1].includes([...steps][0])) { return { wrong: 'pin.weak' }; }
  return first === second ? { pin: first } : { wrong: 'pin.differs' };
}

async function credential() {
  if (work.credential) { return; }
  const id = fromBase64url(work.id);
  const challenge = await sha256(concat(utf8('taipeion-phone-presence-v1\0'), id, work.pair.spki));
  work.credential = await presence.register({ challenge, device: id, name: name.value });
}

async function claim() {
  const root = screen('bind');
  message(root);
  const chosen = work.platform ? {} : chosenPIN();
  if (chosen.wrong) {
    message(root, text(chosen.wrong));
    return;
  }
  work.pair ??= await newKey(); // the same key when it is tried again
  if (work.platform) {
    try {
      await credential();
    } catch {
      message(root, text('presence.failed'));
      return;
    }
  }
  const called = name.value.trim();
  const csr = await certificateRequest(called, work.pair);
  const body = {
    csr: btoa(String.fromCharCode(...csr)), name: called, platform: kind()[0],
    authenticator: work.platform, pin: chosen.pin, webauthn: work.credential?.answer,
    proof: toBase64url(await proof(fromBase64url(work.secret), fromBase64url(work.id), csr)),
  };
  const answer = await call('POST', 'enrolments/' + work.id, { body });
  const pending = {
    device: work.id, state: 'pending', key: work.pair.key, token: answer.status_token, ends: answer.ends, name: called,
    person: answer.name, agency: answer.agency, digits: await digits(fromBase64url(work.id), work.pair.spki),
    presence: work.platform ? 'webauthn' : 'pin', credential: work.credential?.id ?? '',
  };
  // Kept before it is shown: a page that is closed meanwhile goes on where it was.
  await vault.saveAccount(pending);
  drop();
  wait(pending);
}

function bearer(pending) { return { Authorization: 'Bearer ' + pending.token }; }

// wait shows the digits until the computer has said yes or no.
export async function wait(pending) {
  const root = show('digits', { person: pending.person, agency: pending.agency });
  root.querySelector('[data-digits]').textContent = pending.digits.slice(0, 3) + ' ' + pending.digits.slice(3);
  root.dataset.device = pending.device;
  const left = leaves();
  while (!left.aborted) {
    try {
      const answer = await call('GET', 'enrolments/' + pending.device, { headers: bearer(pending) });
      if (answer.state === 'done') {
        if (!left.aborted) { await finish(pending, answer); }
        return;
      }
      if (answer.state === 'over') { throw new Problem(answer.cancelled ? 'enrol_cancelled' : 'enrol_over'); }
    } catch (cause) {
      const passing = cause instanceof Problem && ['offline', 'unavailable', 'throttled'].includes(cause.reason);
      if (!passing || now() > pending.ends + 60000) {
        await vault.forgetAccount(pending.device);
        if (!left.aborted) { problem(cause.reason === 'enrol_cancelled' ? cause.reason : 'enrol_over'); }
        return;
      }
    }
    await new Promise((resolve) => { setTimeout(resolve, ASK_EVERY); });
  }
}

async function finish(pending, answer) {
  const account = {
    device: answer.device_id, key: pending.key, name: pending.name, presence: pending.presence, credential: pending.credential,
    person: answer.name || pending.person, agency: answer.agency || pending.agency, certificate: answer.certificate, ca: answer.ca,
    bound: now(), ends: answer.not_after, standing: 'active', checked: Date.now(),
  };
  await vault.saveAccount(account);
  await vault.keep();
  show('bound', { person: account.person, agency: account.agency, name: account.name, ends: moment(account.ends) });
}

// resume goes on with a binding that waits for the computer; false if there is
// none.
export async function resume() {
  for (const account of await vault.accounts()) {
    if (account.state !== 'pending') { continue; }
    if (now() < account.ends + 60000) {
      wait(account);
      return true;
    }
    await vault.forgetAccount(account.device);
  }
  return false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  busy(form.querySelector('[data-go]'), async () => {
    try {
      await claim();
    } catch (cause) {
      problem(cause instanceof Problem ? cause.reason : 'internal');
    }
  });
});

// giveUp tells the computer at once; it would see for itself that the time is up.
async function giveUp() {
  const device = screen('digits').dataset.device;
  const pending = await vault.account(device);
  show('loading'); // nobody asks any more how it stands
  try {
    if (pending) { await call('POST', 'enrolments/' + device + '/cancel', { headers: bearer(pending) }); }
  } catch (cause) {
    if (cause instanceof Problem && cause.reason === 'enrol_over') {
      wait(pending); // the computer was quicker: it said yes, or no
    } else {
      problem(cause instanceof Problem ? cause.reason : 'internal'); // it is still open: see resume
    }
    return;
  }
  await vault.forgetAccount(device);
  show('called-off');
}

on('give-up', (button) => busy(button, giveUp));

// again goes back to the form, where sending failed.
export function again() {
  if (!work) { return false; }
  show('bind', { host: location.host });
  return true;
}
