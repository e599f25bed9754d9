// Renews the part of the page with the id "live" when the server tells of a change. Without it the
// page is the same, and is renewed by its link.
"use strict";
(() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  const login = document.getElementById("login");
  if (login) {
    if (token) {
      login.elements.token.value = token;
      login.submit();
    }
    return;
  }
  const live = document.getElementById("live");
  const state = document.getElementById("liveness");
  if (!live || !state) return;
  for (const field of document.querySelectorAll("select[data-submits]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }

  const EVERY = 10000; // positions are no events: bots write them
  const AWAY = 2000;
  let source = null;
  let timer = 0;
  let busy = false;
  let again = false;

  const say = (text, away) => {
    if (state.textContent !== text) state.textContent = text;
    document.body.classList.toggle("away", away);
  };

  const renew = async () => {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(timer);
    let away = false;
    try {
      const answer = await fetch(location.href, { headers: { "X-Part": "live" }, redirect: "error" });
      if (answer.status === 401) { location.reload(); return; }
      const text = await answer.text();
      away = answer.status >= 500;
      if (away) say(text, true);
      else { put(text); say("live", false); }
    } catch {
      away = true;
      say("The server of this page is away. Trying again.", true);
    } finally {
      busy = false;
    }
    if (again) { again = false; renew(); return; }
    if (!document.hidden) timer = setTimeout(renew, away ? AWAY : EVERY);
  };

  const put = (text) => {
    const chosen = document.getSelection();
    if (chosen && !chosen.isCollapsed && live.contains(chosen.anchorNode)) return;
    const focused = live.contains(document.activeElement) ? document.activeElement.id
      || document.activeElement.getAttribute("href") : null;
    const box = live.querySelector(".scrolls");
    const left = box ? box.scrollLeft : 0;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    live.replaceChildren(...fresh.body.childNodes);
    const newBox = live.querySelector(".scrolls");
    if (newBox) newBox.scrollLeft = left;
    if (focused) {
      const same = [...live.querySelectorAll("[id], a[href]")].find(
        (one) => one.id === focused || one.getAttribute("href") === focused);
      if (same) same.focus({ preventScroll: true });
    }
  };

  const listen = () => {
    // A hidden page holds no connection: a browser has few for one server.
    if (document.hidden) {
      clearTimeout(timer);
      if (source) source.close();
      source = null;
    } else if (!source) {
      source = new EventSource("/changes");
      source.addEventListener("change", renew);
      source.addEventListener("error", renew);
      timer = setTimeout(renew, EVERY);
      say("live", false);
    }
  };
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) renew(); });
  listen();
})();
