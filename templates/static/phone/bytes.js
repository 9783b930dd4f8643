// Bytes: base64url (RFC 4648 section 5, without padding), text and hashes.

export function toBase64url(bytes) {
  let text = '';
  for (const byte of new Uint8Array(bytes)) { text += String.fromCharCode(byte); }
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) { throw new TypeError('not base64url'); }
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

export function utf8(text) { return new TextEncoder().encode(text); }

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export async function sha256(bytes) { return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)); }

export function random(length) { return crypto.getRandomValues(new Uint8Array(length)); }
