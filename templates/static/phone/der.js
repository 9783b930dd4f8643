// DER (X.690), as much of it as a certificate request needs.
import { concat, utf8 } from './bytes.js';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const ATTRIBUTES = 0xa0;

const COMMON_NAME = Uint8Array.of(0x06, 0x03, 0x55, 0x04, 0x03); // 2.5.4.3
const ECDSA_SHA256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02); // 1.2.840.10045.4.3.2

function length(n) {
  if (n < 0x80) { return Uint8Array.of(n); }
  if (n < 0x100) { return Uint8Array.of(0x81, n); }
  return Uint8Array.of(0x82, n >> 8, n & 0xff);
}

function value(tag, ...contents) {
  const content = concat(...contents);
  return concat(Uint8Array.of(tag), length(content.length), content);
}

// unsigned writes a number that is never negative.
function unsigned(bytes) {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) { at++; }
  const digits = bytes.subarray(at);
  return digits[0] & 0x80 ? value(INTEGER, Uint8Array.of(0), digits) : value(INTEGER, digits);
}

// ecdsaSignature turns r||s, as Web Cryptography gives it, into what X.509 has
// (RFC 3279 section 2.2.3).
export function ecdsaSignature(raw) {
  const half = raw.length / 2;
  return value(SEQUENCE, unsigned(raw.subarray(0, half)), unsigned(raw.subarray(half)));
}

// requestInfo is the part of a certificate request that is signed (RFC 2986
// section 4.1). spki is the public key as SubjectPublicKeyInfo.
export function requestInfo(name, spki) {
  const subject = value(SEQUENCE, value(SET, value(SEQUENCE, COMMON_NAME, value(UTF8_STRING, utf8(name)))));
  return value(SEQUENCE, value(INTEGER, Uint8Array.of(0)), subject, spki, value(ATTRIBUTES));
}

// request is the whole certificate request (RFC 2986 section 4.2).
export function request(info, rawSignature) {
  const signature = value(BIT_STRING, Uint8Array.of(0), ecdsaSignature(rawSignature));
  return value(SEQUENCE, info, value(SEQUENCE, ECDSA_SHA256), signature);
}
