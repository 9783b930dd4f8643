// What a page that waits for a phone does: it hears from the server how things
// stand, draws the next QR code, counts the time down, and goes on by itself.
// Without this script the page comes again every few seconds.
(function () {
  'use strict';
  var box = document.getElementById('qr');
  if (!box) { return; }
  var ring = document.getElementById('qr-ring');
  var clock = document.getElementById('qr-time');
  var reload = box.hasAttribute('data-reload'); // each state is a page of its own
  var whole = 0, ends = 0, polling = 0, gone = false;

  function count(seconds, all) {
    whole = Math.max(all || seconds, 1);
    ends = Date.now() + seconds * 1000;
    tick();
  }
  function tick() {
    if (!ring || !clock) { return; }
    var left = Math.max(0, (ends - Date.now()) / 1000);
    ring.setAttribute('stroke-dasharray', (100 * Math.min(1, left / whole)).toFixed(1) + ' 100');
    var words = box.dataset.state === 'waiting' && box.dataset.next || box.dataset.left || '';
    words = words.replace('#', String(Math.ceil(left)));
    if (clock.textContent !== words) { clock.textContent = words; }
  }
  function leave(address) {
    if (gone) { return; }
    gone = true;
    location.replace(address);
  }
  function again() { leave(location.pathname + location.search); }

  // told is what the server says: {state, size, code, text, number, left}.
  function told(now) {
    if (gone) { return; }
    if (reload) {
      if (now.state !== box.dataset.state) { again(); }
      return;
    }
    if (now.state === 'waiting' && box.dataset.state === 'waiting') {
      if (now.code) { draw(now.size, now.code); }
      var text = document.getElementById('qr-text');
      if (text && now.text) { text.textContent = now.text; }
      count(now.left, 30);
    } else if (now.state === 'scanned') {
      document.getElementById('qr-number').textContent = now.number;
      box.dataset.state = 'scanned';
      count(now.left, 120);
    } else if (now.state === 'approved') {
      box.dataset.state = 'approved';
      gone = true;
      document.getElementById('qr-form').submit();
    } else {
      again();
    }
  }

  function poll() {
    fetch(box.dataset.look, { credentials: 'same-origin', cache: 'no-store', headers: { Accept: 'application/json' } })
      .then(function (answer) { return answer.ok ? answer.json().then(told) : again(); })
      .catch(function () { /* no network: the next time */ });
  }
  function listen() {
    if (!window.EventSource || !box.dataset.events) { polling = setInterval(poll, 2000); return; }
    var source = new EventSource(box.dataset.events);
    var failures = 0;
    source.onmessage = function (event) { failures = 0; told(JSON.parse(event.data)); };
    source.onerror = function () {
      failures++;
      if (source.readyState === 2 || failures > 2) { // closed for good, or something between us keeps it back
        source.close();
        if (!polling) { poll(); polling = setInterval(poll, 2000); }
      }
    };
    window.addEventListener('pagehide', function () { source.close(); });
  }

  // draw shows a QR code: its modules are bits, row by row, in base64.
  function draw(size, code) {
    var svg = document.getElementById('qr-code'), path = document.getElementById('qr-path');
    if (!svg || !path) { return; }
    var bytes = atob(code), d = '';
    function dark(x, y) { var i = y * size + x; return bytes.charCodeAt(i >> 3) >> (7 - i % 8) & 1; }
    for (var y = 0; y < size; y++) {
      for (var x = 0; x < size; x++) {
        var from = x;
        while (x < size && dark(x, y)) { x++; }
        if (x > from) { d += 'M' + from + ' ' + y + '.5h' + (x - from); }
      }
    }
    svg.setAttribute('viewBox', '0 0 ' + size + ' ' + size);
    svg.firstElementChild.setAttribute('width', size);
    svg.firstElementChild.setAttribute('height', size);
    path.setAttribute('d', d);
  }

  count(Number(box.dataset.seconds) || 0, reload ? 180 : box.dataset.state === 'scanned' ? 120 : 30);
  setInterval(tick, 500);
  var onward = document.getElementById('qr-onward');
  if (onward) {
    setTimeout(function () { leave(onward.dataset.go); }, 4000); // long enough to be read
  } else if (box.dataset.state === 'approved') {
    told({ state: 'approved' });
  } else if (box.dataset.events) {
    listen();
  }
}());
