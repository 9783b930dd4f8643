// The phone's key: P-256, made here, and never to leave this browser.
import { concat, random, sha256, toBase64url, utf8 } from './bytes.js';
import { request, requestInfo } from './der.js';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGN = { name: 'ECDSA', hash: 'SHA-256' };

export async function newKey() {
  const pair = await crypto.subtle.generateKey(ECDSA, false, ['sign', 'verify']);
  return { key: pair.privateKey, spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)) };
}

// sign gives r||s.
export async function sign(key, bytes) { return new Uint8Array(await crypto.subtle.sign(SIGN, key, bytes)); }

// certificateRequest makes a PKCS#10 request in the name of the device.
export async function certificateRequest(name, { key, spki }) {
  const info = requestInfo(name, spki);
  return request(info, await sign(key, info));
}

// proof shows that whoever made the request has read the key QR code.
export async function proof(secret, id, csr) {
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const bytes = concat(utf8('taipeion-phone-bind-v1\0'), id, await sha256(csr));
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes));
}

// digits are what both screens show. They are worked out here: what the server
// says they are is not taken for it.
export async function digits(id, spki) {
  const sum = await sha256(concat(utf8('taipeion-phone-digits-v1\0'), id, spki));
  let rest = 0;
  for (const byte of sum) { rest = (rest * 256 + byte) % 1000000; }
  return String(rest).padStart(6, '0');
}

// statement signs lines of text under a heading, as the protocol has them.
export async function statement(key, heading, lines) {
  const bytes = utf8([heading, ...lines, ''].join('\n'));
  return { bytes, signature: toBase64url(await sign(key, bytes)) };
}

export function nonce() { return toBase64url(random(16)); }
