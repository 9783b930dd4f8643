// Holds the rules against the new password while it is typed. The server does so
// again: this is only there to help.
(function () {
  'use strict';
  var form = document.getElementById('password-form');
  if (!form) { return; }
  var fresh = document.getElementById('new');
  var again = document.getElementById('again');
  var said = document.getElementById('rules-said');
  var min = Number(form.dataset.min) || 8;

  function fold(s) { return s.normalize('NFKC').toLowerCase(); }
  // The parts of names that may not be in a password.
  var parts = [];
  form.dataset.own.split('\n').map(fold).forEach(function (name) {
    name = name.trim();
    var latin = /^[\x00-\x7f]*$/.test(name);
    if (name.length >= 4 || (name.length >= 2 && !latin)) { parts.push(name); }
    name.split(/[^\p{L}\p{N}]+/u).forEach(function (word) {
      var letters = Array.from(word);
      if (/^[\x00-\x7f]+$/.test(word)) {
        if (letters.length >= 4) { parts.push(word); }
      } else if (letters.length >= 2) {
        parts.push(word, letters.slice(-2).join(''));
      }
    });
  });

  var rules = {
    short: function (s) { return Array.from(s).length >= min; },
    lower: function (s) { return /[a-z]/.test(s); },
    upper: function (s) { return /[A-Z]/.test(s); },
    digit: function (s) { return /[0-9]/.test(s); },
    symbol: function (s) { return /[^a-zA-Z0-9]/.test(s); },
    own: function (s) { var f = fold(s); return !parts.some(function (part) { return f.includes(part); }); },
    differ: function (s) { return again.value === s; }
  };

  // What is not finished yet is not wrong yet; what was left, is.
  var left = false;
  var leftAgain = false;

  function look() {
    var s = fresh.value;
    var good = s !== '';
    document.querySelectorAll('[data-rule]').forEach(function (row) {
      var ok = s !== '' && rules[row.dataset.rule](s);
      good = good && ok;
      var early = s === '' || (row.dataset.rule !== 'own' && !left);
      if (row.dataset.rule === 'differ') {
        ok = ok && again.value !== '';
        early = again.value === '' || !leftAgain;
      }
      row.dataset.state = ok ? 'ok' : early ? 'pending' : 'fail';
    });
    var words = good ? said.dataset.good : '';
    if (said.textContent !== words) { said.textContent = words; }
  }
  fresh.addEventListener('input', function () { left = false; look(); });
  again.addEventListener('input', function () { leftAgain = false; look(); });
  fresh.addEventListener('change', function () { left = true; look(); });
  again.addEventListener('change', function () { leftAgain = true; look(); });
  // What the server said of the last try stays until something is typed.
}());
