// Looks at the computer before a card is bound: is the card reader program
// there, a reader, a card? It opens the program's window as a reading would,
// and closes it as soon as all is well. Nothing is signed.
(function () {
  'use strict';
  var form = document.getElementById('card-form');
  var start = document.getElementById('card-start');
  if (!form || !start || !form.dataset.agent) { return; }
  var agent = form.dataset.agent;
  var note = document.getElementById('card-message');
  var parts = ['component', 'reader', 'card'];
  var run = null;

  function say(code) {
    var words = form.getAttribute('data-msg-' + code) || form.getAttribute('data-msg-failed');
    if (note.textContent !== words) { note.textContent = words; }
  }
  function mark(part, state) {
    if (['ok', 'fail', 'pending'].indexOf(state) >= 0) {
      document.getElementById('card-check-' + part).dataset.state = state;
    }
  }
  function end(code) {
    clearTimeout(run.timer);
    clearInterval(run.watch);
    run.popup.close();
    run = null;
    say(code);
  }
  function begin() {
    if (run) { end('cancelled'); }
    parts.forEach(function (part) { mark(part, 'pending'); });
    var lang = document.documentElement.lang === 'en' ? 'en' : 'zh-Hant';
    var popup = window.open(agent + '/window?lang=' + lang, 'taipeion-agent', 'popup,width=440,height=720');
    if (!popup) { say('popup_blocked'); return; }
    run = { popup: popup };
    say('opening');
    run.timer = setTimeout(function () { mark('component', 'fail'); end('no_agent'); }, 4000);
    run.watch = setInterval(function () { if (run.popup.closed) { end('closed'); } }, 500);
  }
  function ready() {
    var mine = run;
    if (mine.asked) { return; }
    mine.asked = true;
    clearTimeout(mine.timer);
    mark('component', 'ok');
    say('waiting');
    fetch(form.dataset.challengeUrl, { method: 'POST', credentials: 'same-origin', cache: 'no-store', headers: { Accept: 'application/json' } })
      .then(function (answer) { return answer.ok ? answer.json() : Promise.reject(new Error('challenge')); })
      .then(function (body) {
        if (run === mine) { mine.popup.postMessage({ type: 'taipeion-card-challenge', challenge: body.challenge }, agent); }
      })
      .catch(function () { if (run === mine) { end('challenge'); } });
  }
  function status(data) {
    parts.forEach(function (part) { mark(part, data[part]); });
    if (parts.every(function (part) { return data[part] === 'ok'; })) {
      end('ready');
      document.getElementById('card-next').focus();
    } else {
      say(data.code || 'waiting');
    }
  }
  window.addEventListener('message', function (event) {
    if (!run || event.origin !== agent || event.source !== run.popup || !event.data) { return; }
    if (event.data.type === 'taipeion-agent-ready') { ready(); }
    if (event.data.type === 'taipeion-agent-status') { status(event.data); }
    if (event.data.type === 'taipeion-card-error') { end(/^[a-z_]{1,20}$/.test(event.data.code) ? event.data.code : 'failed'); }
  });
  start.addEventListener('click', begin);
}());
