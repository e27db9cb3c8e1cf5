// Single keys on any page: / search, j k articles, left right digests, ? the list of keys. They can be turned off there.
"use strict";
(() => {
  const dialog = document.getElementById("keys");
  const open = document.getElementById("keys-open");
  const switched = document.getElementById("keys-on");
  const stored = (() => { try { return localStorage; } catch { return null; } })();
  let on = stored?.getItem("keys") !== "off";

  function search() {
    const field = document.querySelector("main input[type=search], input[type=search]");
    if (field) { field.focus(); field.select(); } else document.querySelector("a[rel~=search]")?.click();
  }

  // The article below or above the one that has the focus, else the one at the window's top.
  function article(step) {
    const headings = [...document.querySelectorAll("article :is(h1, h2)")];
    const here = document.activeElement?.closest("article :is(h1, h2)");
    const at = headings.indexOf(here);
    const above = headings.filter((heading) => heading.getBoundingClientRect().top < 0).length;
    const heading = headings[at >= 0 ? at + step : step > 0 ? above : above - 1];
    if (!heading) return;
    const target = heading.querySelector("a") ?? heading;
    if (target === heading) heading.tabIndex = -1;
    target.focus({ preventScroll: true });
    heading.scrollIntoView({ block: "start" });
  }

  const follow = (rel) => document.querySelector(`a[rel~=${rel}]`)?.click();
  const actions = {
    "/": search,
    j: () => article(1),
    k: () => article(-1),
    ArrowLeft: () => follow("prev"),
    ArrowRight: () => follow("next"),
    "?": () => dialog?.showModal(),
  };

  const isBusy = (event) =>
    event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || dialog?.open ||
    event.target.closest("input, textarea, select, [contenteditable]");
  const scrolls = (element) => element !== document.body && element.scrollWidth > element.clientWidth;

  addEventListener("keydown", (event) => {
    const action = Object.hasOwn(actions, event.key) && actions[event.key];
    if (!on || !action || isBusy(event)) return;
    if (event.key.startsWith("Arrow") && (event.shiftKey || scrolls(event.target))) return;
    event.preventDefault();
    action();
  });

  if (!dialog || !open || !switched) return;
  open.hidden = false;
  switched.checked = on;
  open.addEventListener("click", () => dialog.showModal());
  switched.addEventListener("change", () => {
    on = switched.checked;
    stored?.setItem("keys", on ? "on" : "off");
  });
})();
