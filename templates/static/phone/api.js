// Talking with the server. Whatever goes wrong becomes a Problem with the name
// of the state that the app shows.

const PATIENCE = 15000;

export class Problem extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

let skew = 0; // the server's clock less ours, in milliseconds

// now is the time by the server's clock, in milliseconds.
export function now() { return Date.now() + skew; }

function setClock(answer) {
  const theirs = Date.parse(answer.headers.get('Date') ?? '');
  // Within a few seconds our own clock will do.
  if (!Number.isNaN(theirs)) {
    const apart = theirs - Date.now();
    skew = Math.abs(apart) > 5000 ? apart : 0;
  }
}

export async function call(method, path, { body, headers = {} } = {}) {
  let answer;
  try {
    answer = await fetch('/phone/api/' + path, {
      method, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(PATIENCE),
      headers: { Accept: 'application/json', ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch (cause) {
    throw new Problem(navigator.onLine === false || cause.name === 'TypeError' ? 'offline' : 'unavailable');
  }
  setClock(answer);
  let result = {};
  try {
    result = await answer.json();
  } catch { /* an answer without words: the status says it */ }
  if (answer.ok) { return result; }
  throw new Problem(NAMES[result.error] ?? result.error ?? byStatus(answer.status));
}

// The reasons that another one's screen speaks for.
const NAMES = { busy: 'unavailable', not_found: 'enrol_over', request: 'internal' };

function byStatus(status) {
  switch (status) {
    case 429: return 'throttled';
    case 502: case 503: case 504: return 'unavailable';
  }
  return 'internal';
}
