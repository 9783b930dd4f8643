// That the person is there: the phone's own check of finger or face (Web
// Authentication Level 3), or a PIN that the server checks and counts.
import { fromBase64url, sha256, toBase64url } from './bytes.js';

// platform tells whether this phone can check who holds it, here: browsers keep
// no credentials for an address without a name.
export async function platform() {
  if (/^[0-9.]+$|:/.test(location.hostname)) { return false; }
  try {
    return await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

// register makes a credential for this device; the challenge is derived from
// what is being bound.
export async function register({ challenge, device, name }) {
  const made = await navigator.credentials.create({ publicKey: {
    challenge, rp: { id: location.hostname, name: document.title },
    user: { id: device, name, displayName: name },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -257 }],
    authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'discouraged', userVerification: 'required' },
    attestation: 'none', timeout: 60000,
  } });
  return {
    id: toBase64url(made.rawId),
    answer: {
      id: made.id, rawId: toBase64url(made.rawId), type: made.type,
      response: {
        clientDataJSON: toBase64url(made.response.clientDataJSON),
        attestationObject: toBase64url(made.response.attestationObject),
        transports: made.response.getTransports?.() ?? [],
      },
    },
  };
}

// assert asks the phone who holds it, over the hash of the bytes that are
// approved.
export async function assert(credential, bytes) {
  const given = await navigator.credentials.get({ publicKey: {
    challenge: await sha256(bytes), rpId: location.hostname, userVerification: 'required', timeout: 60000,
    allowCredentials: [{ type: 'public-key', id: fromBase64url(credential), transports: ['internal'] }],
  } });
  const { clientDataJSON, authenticatorData, signature, userHandle } = given.response;
  return {
    id: given.id, rawId: toBase64url(given.rawId), type: given.type,
    response: {
      clientDataJSON: toBase64url(clientDataJSON), authenticatorData: toBase64url(authenticatorData),
      signature: toBase64url(signature), userHandle: userHandle ? toBase64url(userHandle) : undefined,
    },
  };
}
