// The agent's window. It takes one challenge from the page that opened it,
// lets the agent check it, shows who asks and for what, takes the PIN, and
// gives the signed message to that page alone.
"use strict";
(() => {
  const el = (id) => document.getElementById(id);
  const setup = JSON.parse(el("setup").textContent);
  const words = setup.words;
  const opener = window.opener;
  let page = "";        // origin of the page, once its challenge was accepted
  let challenged = false;
  let finished = false;
  let signing = false;
  let state = null;     // the last look at the readers
  let chosen = "";      // id of the chosen card
  let blocked = false;
  let expires = 0;

  const say = (text, good) => {
    const m = el("message");
    m.textContent = text;
    m.hidden = !text;
    m.classList.toggle("good", !!good);
  };
  const word = (code) => words[code] || words.failed;
  const tell = (message) => { if (opener && page) opener.postMessage(message, page); };

  async function post(path, body) {
    const answer = await fetch(path, {
      method: "POST", cache: "no-store", credentials: "omit", redirect: "error", keepalive: path === "/api/cancel",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ window: setup.secret, ...body }),
    });
    return answer.json();
  }

  // finish ends the window's work; the person closes it after reading.
  function finish(code) {
    finished = true;
    el("form").hidden = true;
    el("waiting").hidden = true;
    el("pin").value = "";
    tell({ type: "taipeion-card-error", code });
    say(word(code));
    el("close").hidden = false;
    el("close").focus();
  }

  // --- the page ---------------------------------------------------------
  window.addEventListener("message", (event) => {
    const data = event.data;
    if (challenged || !opener || event.source !== opener || !setup.origins.includes(event.origin)) return;
    if (!data || data.type !== "taipeion-card-challenge" || typeof data.challenge !== "string" || data.challenge.length > 8192) return;
    challenged = true;
    prepare(data.challenge, event.origin);
  });

  function announce() {
    if (challenged) return;
    // Only the origin named in each call can read it.
    for (const origin of setup.origins) opener.postMessage({ type: "taipeion-agent-ready" }, origin);
    setTimeout(announce, 500);
  }

  async function prepare(challenge, origin) {
    page = origin;
    let answer;
    try {
      answer = await post("/api/prepare", { challenge, origin });
    } catch {
      return finish("offline");
    }
    if (answer.code) return finish(answer.code);
    el("name").textContent = answer.name;
    el("origin").textContent = answer.origin;
    const login = answer.client ? words.login.replace("{system}", () => answer.client) : words.login_self;
    el("purpose").textContent = answer.purpose === "bind" ? words.bind : login;
    expires = answer.expires * 1000;
    el("waiting").hidden = true;
    el("form").hidden = false;
    show(answer.state);
    setTimeout(look, 1000);
  }

  // --- readers and cards ------------------------------------------------
  async function look() {
    if (finished) return;
    if (!signing) {
      if (Date.now() >= expires) return finish("expired");
      try {
        const now = await post("/api/status", {});
        if (!finished && !signing && now.component) show(now);
      } catch {
        return finish("offline");
      }
    }
    setTimeout(look, 1000);
  }

  function show(now) {
    const before = JSON.stringify(state);
    state = { ...now, cards: now.cards || [] };
    tell({ type: "taipeion-agent-status", component: now.component, reader: now.reader, card: now.card, code: now.code || "" });
    if (JSON.stringify(state) === before) return;
    if (!state.cards.some((c) => c.id === chosen)) {
      // With several cards the person chooses: a PIN tried on somebody else's
      // card would cost that one a try.
      chosen = state.cards.length === 1 ? state.cards[0].id : "";
      el("pin").value = "";
      el("agree").checked = false;
    }
    if (state.cards.length && !el("message").classList.contains("kept")) say("");
    drawCards();
    draw();
  }

  function drawCards() {
    const list = document.createDocumentFragment();
    for (const card of state.cards) {
      const row = document.createElement("label");
      row.className = "card";
      const radio = document.createElement("input");
      radio.type = "radio";
      radio.name = "card";
      radio.value = card.id;
      radio.checked = card.id === chosen;
      radio.hidden = state.cards.length === 1;
      const text = document.createElement("span");
      const holder = document.createElement("b");
      holder.textContent = card.holder;
      const reader = document.createElement("small");
      reader.textContent = card.reader;
      text.append(holder, reader);
      row.append(radio, text);
      list.append(row);
    }
    el("card-list").replaceChildren(list);
    el("cards-legend").textContent = state.cards.length > 1 ? words.choose : words.card;
  }

  const current = () => state && state.cards.find((c) => c.id === chosen);

  function draw() {
    const card = current();
    el("cards").hidden = !state.cards.length;
    el("missing").hidden = state.cards.length > 0;
    el("missing").textContent = state.cards.length ? "" : word(state.code || "no_card");
    blocked = !!card && card.tries === 0;
    const last = !!card && card.tries === 1;
    el("entry").hidden = !card || blocked;
    if (blocked) say(word("blocked"));
    el("last").hidden = !last;
    el("tries").hidden = !card || last || (card.tries < 0 && !card.low);
    el("tries").textContent = card && card.tries > 1 ? words.tries.replace("{n}", card.tries) : words.tries_low;
    const keypad = !!card && card.keypad;
    el("keypad").hidden = !keypad;
    el("pin-row").hidden = keypad;
    el("sign").textContent = keypad ? words.sign_keypad : words.sign;
    el("sign").disabled = signing || !card || blocked || (last && !el("agree").checked) || (!keypad && !el("pin").value);
    el("cancel").disabled = signing;
    if (card && !keypad && !last && document.activeElement === document.body) el("pin").focus();
  }

  // --- the PIN ----------------------------------------------------------
  async function sign() {
    const card = current();
    if (signing || finished || !card || el("sign").disabled) return;
    const field = el("pin");
    let pin = "";
    for (const b of new TextEncoder().encode(field.value)) pin += String.fromCharCode(b);
    field.value = "";
    const order = { card: card.id, last_try: el("agree").checked };
    if (!card.keypad) order.pin = btoa(pin);
    pin = "";
    el("agree").checked = false;
    signing = true;
    say(card.keypad ? words.keypad_now : words.signing, true);
    draw();
    let answer;
    try {
      answer = await post("/api/sign", order);
    } catch {
      signing = false;
      return finish("offline");
    }
    signing = false;
    if (answer.cms) return done(answer.cms);
    failed(answer);
  }

  function done(cms) {
    finished = true;
    el("form").hidden = true;
    tell({ type: "taipeion-card-result", cms });
    say(words.done, true);
    el("close").hidden = false;
    window.close();
  }

  function failed(answer) {
    if (["expired", "used", "refused"].includes(answer.code)) return finish(answer.code);
    const card = current();
    if (card && answer.tries !== undefined) card.tries = answer.tries;
    let text = answer.code === "last_try" ? words.last_title : word(answer.code);
    if (answer.code === "wrong_pin" && answer.tries > 1) text += " " + words.tries.replace("{n}", answer.tries);
    el("message").classList.add("kept"); // until the person does something
    draw();
    say(text);
    if (!el("pin-row").hidden) el("pin").focus();
  }

  el("form").addEventListener("submit", (event) => { event.preventDefault(); sign(); });
  el("form").addEventListener("input", (event) => {
    el("message").classList.remove("kept");
    if (event.target.name === "card") {
      chosen = event.target.value;
      el("pin").value = "";
      el("agree").checked = false;
      say("");
    }
    draw();
  });
  el("cancel").addEventListener("click", () => {
    const code = blocked ? "blocked" : "cancelled";
    post("/api/cancel", {}).catch(() => {});
    finish(code);
    window.close();
  });
  el("close").addEventListener("click", () => window.close());
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !finished && !signing && !el("form").hidden) el("cancel").click(); });

  if (!opener) {
    el("waiting").hidden = true;
    say(words.no_page);
    return;
  }
  setTimeout(() => { if (!challenged) say(words.no_page); }, 10000);
  announce();
})();
