// What a QR code, a link or a pasted text may hold.

const BIND = /^\/phone\/bind\/([A-Za-z0-9_-]{22})$/;
const LOGIN = /^\/phone\/q\/([A-Za-z0-9_-]{20,400})$/;
const SECRET = /^#?([A-Za-z0-9_-]{43})$/;

// read tells what a text is: {kind: 'bind', id, secret}, {kind: 'login', code},
// {kind: 'foreign', host} for another site's, or {kind: 'unknown'}.
export function read(text, origin = location.origin) {
  const plain = text.normalize('NFKC').replace(/\s+/g, '');
  let url;
  try {
    url = new URL(plain);
  } catch {
    return bare(plain);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') { return { kind: 'unknown' }; }
  if (url.origin !== origin) { return { kind: 'foreign', host: url.host }; }
  return parts(url.pathname, url.hash);
}

function parts(path, hash) {
  const login = LOGIN.exec(path);
  if (login) { return { kind: 'login', code: login[1] }; }
  const bind = BIND.exec(path);
  const secret = SECRET.exec(hash);
  if (bind && secret) { return { kind: 'bind', id: bind[1], secret: secret[1] }; }
  return { kind: bind ? 'cut' : 'unknown' };
}

// bare reads a code without the address before it.
function bare(text) {
  if (text.startsWith('/phone/')) {
    const [path, hash = ''] = text.split('#');
    return parts(path, hash);
  }
  const [id, secret] = text.split('#');
  if (secret !== undefined) { return parts('/phone/bind/' + id, secret); }
  return parts('/phone/q/' + text, '');
}

// fromAddress reads the address that the app was opened with, and takes what is
// secret in it out of the address and the browser's history at once.
export function fromAddress() {
  const found = parts(location.pathname, location.hash);
  if (location.pathname !== '/phone' || location.hash || location.search) { history.replaceState(null, '', '/phone'); }
  return found;
}
