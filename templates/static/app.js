// Small comforts. Every page works without them.
(function () {
  'use strict';

  // Show and hide the password.
  document.querySelectorAll('button[data-peek]').forEach(function (button) {
    var field = document.getElementById(button.dataset.peek);
    button.hidden = false;
    button.addEventListener('click', function () {
      var show = field.type === 'password';
      field.type = show ? 'text' : 'password';
      button.textContent = show ? button.dataset.hide : button.dataset.show;
      button.setAttribute('aria-pressed', String(show));
      field.focus();
    });
    // A password that was shown must not stay in the browser's list of typed words.
    if (field.form) {
      field.form.addEventListener('submit', function () { field.type = 'password'; });
    }
  });

  // Say that caps lock is on.
  document.querySelectorAll('[data-caps]').forEach(function (hint) {
    var field = document.getElementById(hint.dataset.caps);
    function look(event) {
      if (!event.getModifierState) { return; }
      var words = event.getModifierState('CapsLock') ? hint.dataset.capsOn : '';
      if (hint.textContent !== words) { hint.textContent = words; }
    }
    field.addEventListener('keydown', look);
    field.addEventListener('keyup', look);
    field.addEventListener('blur', function () { hint.textContent = ''; });
  });

  // The answer to a failed try holds no name, so that it is the same for every
  // name. What was typed is put back here, in this tab alone.
  var account = document.getElementById('account');
  if (account && account.form) {
    try {
      var typed = sessionStorage.getItem('account');
      if (!document.getElementById('problem')) {
        sessionStorage.removeItem('account');
      } else if (typed && !account.value) {
        account.value = typed;
        document.getElementById('password').focus();
      }
    } catch (e) { /* no storage: it is typed again */ }
    account.form.addEventListener('submit', function () {
      try { sessionStorage.setItem('account', account.value); } catch (e) { /* as above */ }
    });
  }

  // A form goes out once, however often its button is pressed.
  document.querySelectorAll('form[data-once]').forEach(function (form) {
    form.addEventListener('submit', function (event) {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = '1';
    });
    window.addEventListener('pageshow', function () { delete form.dataset.sent; });
  });

  // Find a system while typing.
  var search = document.querySelector('input[data-filter]');
  if (search) {
    var tiles = document.querySelectorAll('[data-name]');
    var groups = document.querySelectorAll('[data-group]');
    var nothing = document.getElementById('nothing-found');
    var filter = function () {
      var words = search.value.normalize('NFKC').toLowerCase().split(/\s+/).filter(Boolean);
      var found = 0;
      tiles.forEach(function (tile) {
        var name = tile.dataset.name.normalize('NFKC').toLowerCase();
        tile.hidden = !words.every(function (word) { return name.includes(word); });
        if (!tile.hidden) { found++; }
      });
      groups.forEach(function (group) {
        group.hidden = !group.querySelector('[data-name]:not([hidden])');
      });
      nothing.hidden = found > 0;
    };
    search.addEventListener('input', filter);
    search.form.addEventListener('submit', function (event) { event.preventDefault(); filter(); });
    filter();
  }
}());
