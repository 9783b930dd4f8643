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

  // told is what the server says: {state, link, text, number, left}.
  function told(now) {
    if (gone) { return; }
    if (reload) {
      if (now.state !== box.dataset.state) { again(); }
      return;
    }
    if (now.state === 'waiting' && box.dataset.state === 'waiting') {
      if (now.link) { draw(now.link); }
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

  // draw makes the QR code of an address (ISO/IEC 18004: bytes, error correction
  // M, mask 0). The server draws the first one; the next ones cost it nothing.
  // A row: version, check bytes of a block, blocks and their data bytes, how many
  // more blocks with one byte more.
  var versions = [[5, 24, 2, 43, 0], [6, 16, 4, 27, 0], [7, 18, 4, 31, 0], [8, 22, 2, 38, 2], [9, 22, 3, 36, 2],
    [10, 26, 4, 43, 1], [11, 30, 1, 50, 4], [12, 22, 6, 36, 2], [13, 22, 8, 37, 1]];
  var middle = { 7: 22, 8: 24, 9: 26, 10: 28, 11: 30, 12: 32, 13: 34 }; // of the alignment patterns
  var exp = [], log = [];
  for (var i = 0, x = 1; i < 255; i++) { exp[i] = x; exp[i + 255] = x; log[x] = i; x = x << 1 ^ (x > 127 ? 0x11d : 0); }
  function times(a, b) { return a && b ? exp[log[a] + log[b]] : 0; }

  function check(data, n) { // Reed-Solomon
    var generator = [1];
    for (var i = 0; i < n; i++) {
      var next = generator.concat(0);
      for (var j = 0; j < generator.length; j++) { next[j + 1] ^= times(generator[j], exp[i]); }
      generator = next;
    }
    var rest = data.concat(new Array(n).fill(0));
    for (i = 0; i < data.length; i++) {
      var factor = rest[i];
      for (j = 0; j <= n; j++) { rest[i + j] ^= times(generator[j], factor); }
    }
    return rest.slice(data.length);
  }
  function codewords(bytes, v) {
    var room = v[2] * v[3] + v[4] * (v[3] + 1);
    var nibbles = [4], all = [];
    (v[0] < 10 ? [4, 0] : [12, 8, 4, 0]).forEach(function (shift) { nibbles.push(bytes.length >> shift & 15); });
    bytes.forEach(function (b) { nibbles.push(b >> 4, b & 15); });
    nibbles.push(0);
    for (var i = 0; i < nibbles.length; i += 2) { all.push(nibbles[i] << 4 | (nibbles[i + 1] || 0)); }
    for (i = 0; all.length < room; i++) { all.push(i % 2 ? 17 : 236); }
    var blocks = [], checks = [], out = [], at = 0;
    for (i = 0; i < v[2] + v[4]; i++) {
      var size = v[3] + (i < v[2] ? 0 : 1);
      blocks.push(all.slice(at, at + size));
      checks.push(check(blocks[i], v[1]));
      at += size;
    }
    for (i = 0; i <= v[3]; i++) { blocks.forEach(function (b) { if (i < b.length) { out.push(b[i]); } }); }
    for (i = 0; i < v[1]; i++) { checks.forEach(function (c) { out.push(c[i]); }); }
    return out;
  }
  function bch(value, bits, poly, size) {
    var rest = value << bits;
    for (var i = size - 1; i >= 0; i--) { if (rest >> (i + bits) & 1) { rest ^= poly << i; } }
    return value << bits | rest;
  }
  function modules(v, words) {
    var n = 17 + 4 * v[0], grid = [], fixed = [];
    for (var r = 0; r < n; r++) { grid.push(new Array(n).fill(false)); fixed.push(new Array(n).fill(false)); }
    function set(r, c, dark) { if (r >= 0 && c >= 0 && r < n && c < n) { grid[r][c] = !!dark; fixed[r][c] = true; } }
    function pattern(r, c, half, rings) {
      for (var i = -half; i <= half; i++) {
        for (var j = -half; j <= half; j++) { set(r + i, c + j, rings[Math.max(Math.abs(i), Math.abs(j))]); }
      }
    }
    [[3, 3], [3, n - 4], [n - 4, 3]].forEach(function (at) { pattern(at[0], at[1], 4, [1, 1, 0, 1, 0]); });
    for (var i = 8; i < n - 8; i++) { set(6, i, i % 2 === 0); set(i, 6, i % 2 === 0); }
    var lines = middle[v[0]] ? [6, middle[v[0]], n - 7] : [6, n - 7];
    lines.forEach(function (r) {
      lines.forEach(function (c) {
        if (!(r === 6 && (c === 6 || c === n - 7) || r === n - 7 && c === 6)) { pattern(r, c, 2, [1, 0, 1]); }
      });
    });
    var format = bch(0, 10, 0x537, 5) ^ 0x5412; // level M, mask 0
    for (i = 0; i < 15; i++) {
      var bit = format >> i & 1;
      set(i < 6 ? i : i < 8 ? i + 1 : n - 15 + i, 8, bit);
      set(8, i < 8 ? n - 1 - i : i < 9 ? 7 : 14 - i, bit);
    }
    set(n - 8, 8, 1);
    if (v[0] >= 7) {
      var version = bch(v[0], 12, 0x1f25, 6);
      for (i = 0; i < 18; i++) {
        set(Math.floor(i / 3), n - 11 + i % 3, version >> i & 1);
        set(n - 11 + i % 3, Math.floor(i / 3), version >> i & 1);
      }
    }
    var k = 0, up = true;
    for (var right = n - 1; right > 0; right -= 2) {
      if (right === 6) { right = 5; }
      for (i = 0; i < n; i++) {
        r = up ? n - 1 - i : i;
        for (var c = right; c > right - 2; c--) {
          if (fixed[r][c]) { continue; }
          var dark = k < words.length * 8 && words[k >> 3] >> (7 - k % 8) & 1;
          grid[r][c] = !!(dark ^ ((r + c) % 2 === 0));
          k++;
        }
      }
      up = !up;
    }
    return grid;
  }
  function encode(text) {
    var bytes = Array.from(new TextEncoder().encode(text));
    var fits = versions.filter(function (v) { return v[2] * v[3] + v[4] * (v[3] + 1) >= bytes.length + (v[0] < 10 ? 2 : 3); })[0];
    return fits && modules(fits, codewords(bytes, fits));
  }
  function draw(text) {
    var svg = document.getElementById('qr-code'), path = document.getElementById('qr-path');
    var grid = svg && path && encode(text);
    if (!grid) { return; }
    var quiet = 4, n = grid.length + 2 * quiet, d = '';
    grid.forEach(function (row, y) {
      for (var x = 0; x < row.length; x++) {
        if (!row[x]) { continue; }
        for (var to = x; to < row.length && row[to];) { to++; }
        d += 'M' + (x + quiet) + ' ' + (y + quiet) + '.5h' + (to - x);
        x = to;
      }
    });
    svg.setAttribute('viewBox', '0 0 ' + n + ' ' + n);
    svg.firstElementChild.setAttribute('width', n);
    svg.firstElementChild.setAttribute('height', n);
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
