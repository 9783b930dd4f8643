// Keeps the app so that it opens without the network. VERSION and FILES are
// written before these lines. What is done is never kept: /phone/api always
// goes to the server, and so does everything that is not in FILES.

const CACHE = 'phone-' + VERSION;
const LANGUAGES = ['zh-Hant', 'en'];
const PATIENCE = 4000;

function shell(lang) { return '/phone?lang=' + lang; }

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES);
    // Without credentials: the page is the same for everybody, and asking for a
    // language here does not choose it.
    await Promise.all(LANGUAGES.map(async (lang) => {
      const answer = await fetch(shell(lang), { credentials: 'omit', cache: 'no-store' });
      if (!answer.ok) { throw new Error('no page'); }
      await cache.put(shell(lang), answer);
    }));
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('phone-') && name !== CACHE && name !== 'phone-language') { await caches.delete(name); }
    }
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== location.origin) { return; }
  if (event.request.mode === 'navigate') {
    event.respondWith(page(event.request));
  } else if (FILES.includes(url.pathname)) {
    event.respondWith(kept(event.request));
  }
});

async function kept(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreVary: true })) ?? fetch(request);
}

// page asks the server first, so that the app is never older than it has to be.
async function page(request) {
  const language = await caches.open('phone-language');
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status < 500) {
      const lang = answer.headers.get('Content-Language');
      if (LANGUAGES.includes(lang)) { await language.put('/phone', new Response(lang)); }
      return answer;
    }
  } catch { /* no network: what we keep */ }
  const last = await (await language.match('/phone'))?.text();
  const cache = await caches.open(CACHE);
  return (await cache.match(shell(last ?? LANGUAGES[0]))) ?? Response.error();
}
