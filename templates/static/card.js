// The page's side of a login or binding by card. It opens the window of the
// card reader program on this computer, hands it a challenge of our server, and
// sends the signed answer in. The PIN never comes here. Messages go to and are
// taken from exactly one origin, the program's.
(function () {
  'use strict';
  var form = document.getElementById('card-form');
  var start = document.getElementById('card-start');
  if (!form || !start) { return; }
  var agent = form.dataset.agent;
  var note = document.getElementById('card-message');
  var HEARD = 4000; // without a word until then, no program is there
  var run = null;   // the attempt under way

  function say(code) {
    if (!note) { return; }
    if (!/^[a-z_]{1,20}$/.test(code)) { code = 'failed'; }
    var text = form.getAttribute('data-msg-' + code) || form.getAttribute('data-msg-failed') || '';
    if (note.textContent !== text) { note.textContent = text; }
    note.dataset.code = code;
  }
  function mark(part, state) {
    var item = document.getElementById('card-check-' + part);
    if (item && (state === 'ok' || state === 'fail' || state === 'pending')) { item.dataset.state = state; }
  }
  function markAll(state) { ['component', 'reader', 'card'].forEach(function (part) { mark(part, state); }); }

  function begin() {
    if (run) { stop(); }
    markAll('pending');
    var lang = document.documentElement.lang === 'en' ? 'en' : 'zh-Hant';
    var popup = window.open(agent + '/window?lang=' + lang, 'taipeion-agent', 'popup,width=440,height=720');
    if (!popup) { say('popup_blocked'); return; }
    run = { popup: popup, challenge: null, closed: 0 };
    say('opening');
    run.timer = setTimeout(function () { popup.close(); end('no_agent'); mark('component', 'fail'); }, HEARD);
    run.watch = setInterval(watch, 500);
  }
  function stop() {
    clearTimeout(run.timer);
    clearInterval(run.watch);
    run = null;
  }
  function end(code) { stop(); say(code); }

  // A window that was closed sends nothing; its last message may still be on its way.
  function watch() {
    if (!run.popup.closed) { run.closed = 0; return; }
    run.closed += 1;
    if (run.closed > 1) { end('closed'); }
  }

  function challenge() {
    return fetch(form.dataset.challengeUrl, { method: 'POST', credentials: 'same-origin', cache: 'no-store', headers: { Accept: 'application/json' } })
      .then(function (answer) {
        if (!answer.ok) { throw new Error('challenge'); }
        return answer.json();
      })
      .then(function (body) { return body.challenge; });
  }

  // The window says that it is there until it has its challenge, and again if
  // the person loads it anew (to change the language): it gets the same one.
  function ready() {
    var mine = run;
    if (!mine.challenge) {
      clearTimeout(mine.timer);
      mark('component', 'ok');
      say('waiting');
      mine.challenge = challenge();
    }
    mine.challenge.then(function (jws) {
      if (run === mine) { mine.popup.postMessage({ type: 'taipeion-card-challenge', challenge: jws }, agent); }
    }, function () {
      if (run === mine) { mine.popup.close(); end('challenge'); }
    });
  }

  function status(data) {
    mark('component', data.component);
    mark('reader', data.reader);
    mark('card', data.card);
    say(typeof data.code === 'string' && data.code ? data.code : 'waiting');
  }

  function result(data) {
    if (typeof data.cms !== 'string' || !/^[A-Za-z0-9+/=]+$/.test(data.cms)) { end('failed'); return; }
    end('sending');
    markAll('ok');
    start.disabled = true;
    form.elements.cms.value = data.cms;
    form.submit();
  }

  window.addEventListener('message', function (event) {
    if (!run || event.origin !== agent || event.source !== run.popup) { return; }
    var data = event.data;
    if (!data || typeof data !== 'object') { return; }
    if (data.type === 'taipeion-agent-ready') { ready(); }
    if (data.type === 'taipeion-agent-status') { status(data); }
    if (data.type === 'taipeion-card-result') { result(data); }
    if (data.type === 'taipeion-card-error') { end(typeof data.code === 'string' ? data.code : 'failed'); }
  });
  start.addEventListener('click', function (event) { event.preventDefault(); begin(); });
  // Back from the next page: the old attempt is over.
  window.addEventListener('pageshow', function (event) {
    if (event.persisted) { start.disabled = false; form.elements.cms.value = ''; markAll('pending'); }
  });
  start.disabled = false;
})();
