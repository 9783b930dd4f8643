// What this phone keeps: its accounts with their keys, and its own approvals.
// The keys are kept as the browser's own objects, which give no bytes away.

const NAME = 'taipeion-phone';
const LIMIT = 200; // approvals that are kept

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore('accounts', { keyPath: 'device' });
      asked.result.createObjectStore('approvals', { keyPath: 'id', autoIncrement: true });
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => { opened = undefined; reject(asked.error); };
  });
  return opened;
}

async function run(store, mode, work) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const asked = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(asked?.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

export function accounts() { return run('accounts', 'readonly', (store) => store.getAll()); }

export function account(device) { return run('accounts', 'readonly', (store) => store.get(device)); }

export function saveAccount(entry) { return run('accounts', 'readwrite', (store) => store.put(entry)); }

export function forgetAccount(device) { return run('accounts', 'readwrite', (store) => store.delete(device)); }

export async function approvals() {
  const all = await run('approvals', 'readonly', (store) => store.getAll());
  return all.reverse();
}

// noteApproval keeps a note and returns its ID.
export async function noteApproval(entry) {
  const id = await run('approvals', 'readwrite', (store) => store.add(entry));
  const keys = await run('approvals', 'readonly', (store) => store.getAllKeys());
  if (keys.length > LIMIT) {
    const last = keys[keys.length - LIMIT - 1];
    await run('approvals', 'readwrite', (store) => store.delete(IDBKeyRange.upperBound(last)));
  }
  return id;
}

export function approval(id) { return run('approvals', 'readonly', (store) => store.get(id)); }

export function changeApproval(entry) { return run('approvals', 'readwrite', (store) => store.put(entry)); }

// keep asks the browser not to clear the keys away when it runs short of room.
export async function keep() {
  try {
    await navigator.storage?.persist?.();
  } catch { /* it may clear them; then the phone is bound again */ }
}
