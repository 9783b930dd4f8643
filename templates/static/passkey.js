// Passkeys: the browser offers them in the account field of the login page by
// itself, a button asks for one, and the page of ways to log in adds one. What
// the authenticator answers goes out with the page's own form.
(function () {
  'use strict';
  var adding = document.getElementById('passkey-add');
  var form = adding || document.getElementById('passkey-form');
  var start = document.getElementById('passkey-start');
  var note = document.getElementById('passkey-message');
  if (!form || !start) { return; }
  function say(code) { note.textContent = code ? form.getAttribute('data-msg-' + code) || '' : ''; }
  if (!window.PublicKeyCredential || !navigator.credentials) {
    if (adding) { start.disabled = true; say('unsupported'); }
    return;
  }
  form.hidden = false;
  var offer = null; // what the browser offers by itself, to be ended before the button asks

  function bytes(text) {
    var raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  }
  function text(buffer) {
    var raw = '';
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }
  function read(options) {
    options.challenge = bytes(options.challenge);
    if (options.user) { options.user.id = bytes(options.user.id); }
    (options.allowCredentials || []).concat(options.excludeCredentials || []).forEach(function (c) { c.id = bytes(c.id); });
    return options;
  }
  function write(c) {
    var r = c.response, out = {};
    ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'].forEach(function (name) {
      if (r[name]) { out[name] = text(r[name]); }
    });
    if (r.getTransports) { out.transports = r.getTransports(); }
    return JSON.stringify({ id: c.id, rawId: text(c.rawId), type: c.type, response: out,
      authenticatorAttachment: c.authenticatorAttachment || undefined, clientExtensionResults: c.getClientExtensionResults() });
  }
  function options() {
    return fetch(form.dataset.options, { method: 'POST', credentials: 'same-origin', cache: 'no-store', body: new URLSearchParams(),
      headers: { Accept: 'application/json' } }).then(function (answer) {
      if (answer.status === 401) { location.assign(form.dataset.stale || location.href); }
      return answer.ok ? answer.json() : Promise.reject(new Error('options'));
    }).then(function (all) { return read(all.publicKey || all); });
  }
  function send(credential) {
    if (!credential) { return; }
    form.elements.answer.value = write(credential);
    form.submit();
  }
  function failed(error) {
    if (error.name === 'AbortError') { return; }
    say(error.name === 'InvalidStateError' ? 'known' : error.name === 'NotAllowedError' ? 'cancelled' : 'failed');
    propose();
  }
  function propose() {
    if (adding || !PublicKeyCredential.isConditionalMediationAvailable || !document.querySelector('[autocomplete~="webauthn"]')) { return; }
    PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
      if (!can) { return; }
      var mine = offer = new AbortController();
      form.elements.account.value = ''; // whoever it is that the browser offers
      return options().then(function (publicKey) {
        // An offer waits as long as the page is open, its challenge does not.
        setTimeout(function () {
          if (offer === mine) { mine.abort(); propose(); }
        }, publicKey.timeout * 0.9);
        return navigator.credentials.get({ publicKey: publicKey, mediation: 'conditional', signal: mine.signal });
      }).then(send);
    }).catch(function () { /* the button is still there */ });
  }
  start.addEventListener('click', function () {
    if (offer) { offer.abort(); offer = null; }
    say('opening');
    var account = document.getElementById('account');
    var asked = options();
    if (!adding) { form.elements.account.value = account ? account.value.trim() : ''; } // the answer has to be of that person's
    if (adding) {
      asked.then(function (publicKey) { return navigator.credentials.create({ publicKey: publicKey }); }).then(send).catch(failed);
    } else {
      asked.then(function (publicKey) { return navigator.credentials.get({ publicKey: publicKey }); }).then(send).catch(failed);
    }
  });
  propose();
}());
