"use strict";
// Keeps a page fresh: events tell that something is new, the page is fetched again, and what differs is put in place.
// What a person does is left alone: focus, scroll, open details, half-written answers. Without it all pages still read.
(() => {
  const LEAST_MS = 500, MOST_MS = 1500; // between two fetches, however much happens
  const link = document.getElementById("link");
  const stream = document.body.dataset.stream;

  // --- the page as it is now

  let busy = false, again = false, last = 0, took = 0;
  async function refresh() {
    if (busy || document.hidden) { again = true; return; }
    busy = true; again = false;
    const began = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected || answer.status === 401) { location.reload(); return; }
      if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { say(false); }
    busy = false; last = Date.now(); took = last - began;
    if (again) soon();
  }
  let timer = 0;
  function soon() {
    again = true;
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(60, Math.min(MOST_MS, Math.max(LEAST_MS, 5 * took)) - (Date.now() - last)));
  }
  function put(fresh) {
    document.title = fresh.title;
    const places = [...document.querySelectorAll("[data-live]")];
    const same = places.map((one) => one.id).join() === [...fresh.querySelectorAll("[data-live]")].map((one) => one.id).join();
    if (same) for (const one of places) morph(one, fresh.getElementById(one.id));
    else morph(document.getElementById("main"), fresh.getElementById("main"));
    tick();
  }

  // --- one tree made like another, with as few changes as it takes

  const OWN = { DETAILS: ["open"], INPUT: ["value", "checked"], OUTPUT: ["class"] };
  function morph(old, fresh) {
    if (old.isEqualNode(fresh) || old.hasAttribute("data-keep")) return;
    const own = OWN[old.tagName] || [];
    for (const { name, value } of [...fresh.attributes])
      if (!own.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes])
      if (!own.includes(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    if (old.tagName === "OUTPUT") return; // what was answered stays to be read
    const named = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
    let here = old.firstChild;
    for (const one of [...fresh.childNodes]) {
      let match = one.id ? named.get(one.id) : here;
      if (!match || !alike(match, one)) {
        old.insertBefore(one, here);
        continue;
      }
      if (match !== here) old.insertBefore(match, here);
      else here = here.nextSibling;
      if (match.nodeType === Node.ELEMENT_NODE) morph(match, one);
      else if (match.nodeValue !== one.nodeValue) match.nodeValue = one.nodeValue;
    }
    while (here) { const next = here.nextSibling; here.remove(); here = next; }
  }
  const alike = (a, b) => a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // --- clocks that go on between two fetches

  function told(seconds) {
    if (seconds < 60) return seconds.toFixed(1) + "s";
    const whole = Math.round(seconds), minutes = Math.floor(whole / 60) % 60, hours = Math.floor(whole / 3600);
    const two = (n) => String(n).padStart(2, "0");
    return hours ? `${hours}h ${two(minutes)}m` : `${minutes}m ${two(whole % 60)}s`;
  }
  function tick() {
    for (const one of document.querySelectorAll("time[data-since]"))
      one.textContent = told(Math.max(0, (Date.now() - Date.parse(one.dataset.since)) / 1000));
  }

  // --- buttons

  document.addEventListener("invalid", (event) => { // the browser puts the focus on it
    const one = event.target;
    if (one.type !== "radio") return;
    const out = one.form.querySelector("output");
    out.textContent = "choose one first";
    out.className = "said bad";
  }, true);
  const sent = new WeakSet(); // a button that is disabled meanwhile would lose the focus
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.post) return;
    event.preventDefault();
    if (sent.has(form)) return;
    const out = form.querySelector("output");
    const body = {}, by = event.submitter;
    for (const [name, value] of new FormData(form))
      if (value !== "") body[name] = form.elements[name].hasAttribute?.("data-number") ? Number(value) : value;
    if (by && by.name) body[by.name] = by.value === "true";
    for (const name of ["path", "sha256"]) if (form.dataset[name]) body[name] = form.dataset[name];
    if (form.dataset.again) Object.assign(body, { paths: [form.dataset.again], again: true });
    out.textContent = "…";
    out.className = "said";
    sent.add(form);
    try {
      const answer = await fetch(form.dataset.post, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      const said = await answer.json().catch(() => ({}));
      out.textContent = answer.ok ? said.done || "done" : [said.error || `refused (${answer.status})`, said.next].filter(Boolean).join("; ");
      out.className = answer.ok ? "said" : "said bad";
      if (answer.ok && form.dataset.then) { location.assign(form.dataset.then); return; }
      soon();
    } catch {
      out.textContent = "nothing was sent: the server does not answer";
      out.className = "said bad";
    }
    sent.delete(form);
  });

  const token = document.querySelector("form[data-post] input[name=token]");
  function enter() { // by a link with the token; the hash is never sent, and goes at once
    if (location.hash.length < 2) return;
    token.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
    token.form.requestSubmit();
  }
  if (token) {
    enter();
    addEventListener("hashchange", enter); // who stands at the log-in and gives the link: the page is not loaded anew
  }

  // --- what is new

  function say(connected) {
    if (!link) return;
    link.textContent = connected ? "live" : "disconnected";
    link.className = connected ? "link on" : "link off";
    link.title = connected ? "this page follows what happens" : "this page shows how things were; it tries to connect again";
  }
  if (stream) {
    const from = new URL(stream, location.href);
    let source = null, was = false;
    let late = 0; // the ledger is written a little after the event that it tells of
    function follow() {
      source = new EventSource(from);
      source.onopen = () => { say(true); if (was) soon(); was = true; };
      source.onerror = () => { say(false); if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000); };
      source.onmessage = (event) => {
        from.searchParams.set("after", event.lastEventId);
        soon();
        if (!document.querySelector("[data-late]")) return;
        clearTimeout(late);
        late = setTimeout(soon, 1000);
      };
      source.addEventListener("plans", soon); // those that wait stand otherwise
      source.addEventListener("doing", (event) => { // what workers say is not kept: it is put in place as it comes
        const { run, tasks } = JSON.parse(event.data);
        for (const one of document.querySelectorAll("[data-doing]")) {
          if (one.dataset.run === run) one.textContent = tasks[one.dataset.doing] || ""; // whoever has ended does nothing
        }
      });
    }
    function look() { // a browser has six connections to one host: a tab that nobody sees holds none of them
      if (!document.hidden) { if (!source) follow(); return; }
      if (source) { source.close(); source = null; }
      was = true; // what is new meanwhile, it asks for once it follows again
    }
    look();
    document.addEventListener("visibilitychange", look);
    setInterval(tick, 1000);
  }
})();
