// "This was not me": of a login that waits, and of one that was approved here.
import { call, now } from './api.js';
import { toBase64url, utf8 } from './bytes.js';
import { sign } from './keys.js';

const WITHIN = 24 * 60 * 60 * 1000; // ms: no session lives longer

// approval is what is signed about a login.
export function approval(account, login, { number, time, decision }) {
  return utf8(['taipeion-phone-approval-v1', location.origin, login.attempt, login.client_id, number, login.nonce,
    time, account.device, decision, ''].join('\n'));
}

// report ends the login and what it opened, and returns the name of the screen
// that says what became of it.
export async function report(account, login) {
  const time = now();
  const signature = toBase64url(await sign(account.key, approval(account, login, { number: '', time, decision: 'report' })));
  const { ended } = await call('POST', 'decide', { body: {
    device_id: account.device, attempt: login.attempt, client_id: login.client_id, number: '', nonce: login.nonce, time,
    decision: 'report', signature,
  } });
  return ended === 'login' ? 'reported' : 'reported-' + ended;
}

// mayReport tells whether a note of this phone may still be one of a login that
// somebody uses.
export function mayReport(entry) {
  return entry.result === 'approve' && Boolean(entry.login) && now() - entry.at < WITHIN;
}
