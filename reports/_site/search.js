// Search in the pages. What a page says is put into text nodes only; the whole state is in the address.
"use strict";
(() => {
  const form = document.getElementById("search");
  if (!form) return;
  const status = document.getElementById("search-status");
  const list = document.getElementById("search-results");
  const more = document.getElementById("search-more");
  const root = new URL(form.dataset.root, document.baseURI);
  const PAGE = 10;
  const EVERY_PAGE = "\uA66E"; // in the index, every page ends with it
  const HAN = /\p{Script=Han}/u;
  const chinese = document.documentElement.lang.startsWith("zh");
  let pagefind, months = [], latest = 0;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ---- the address and the form

  function state() {
    const fields = [...new FormData(form)].filter(([, value]) => value.trim());
    return new URLSearchParams(fields).toString();
  }

  function fill(fields = form.elements) {
    const asked = new URLSearchParams(location.search);
    for (const field of fields) {
      if (field.type === "checkbox") field.checked = asked.getAll(field.name).includes(field.value);
      else if (field.name) field.value = asked.get(field.name) ?? "";
      if (field.selectedIndex === -1) field.selectedIndex = 0;
    }
    const details = form.querySelector("details");
    details.open ||= [...asked.keys()].some((name) => !["q", "sort"].includes(name));
  }

  function remember() {
    const asked = state();
    if (asked === new URLSearchParams(location.search).toString()) return;
    history.pushState(null, "", asked ? `?${asked}` : location.pathname);
  }

  // ---- the filters, from the index

  const rank = { score: (a, b) => (parseFloat(b) || -1) - (parseFloat(a) || -1), topic: (a, b) => a.localeCompare(b) };

  function offer(filters) {
    for (const box of form.querySelectorAll("[data-filter]")) {
      const name = box.dataset.filter;
      const values = Object.keys(filters[name] ?? {}).sort(rank[name] ?? rank.topic);
      box.hidden = !values.length;
      for (const value of values) {
        const input = make("input", { type: "checkbox", name, value });
        const count = make("span", { class: "search-count" }, String(filters[name][value]));
        box.append(make("label", {}, input, " ", value, " ", count));
      }
    }
    months = Object.keys(filters.month ?? {}).sort().reverse();
    form.querySelector("[data-months]").hidden = !months.length;
    for (const name of ["from", "to"])
      for (const month of months) form.elements[name].append(make("option", { value: month }, month));
  }

  function chosen(data) {
    const filters = {};
    for (const name of ["profile", "topic", "score"])
      if (data.has(name)) filters[name] = { any: data.getAll(name) };
    const [first, last] = [data.get("from") || "0", data.get("to") || "9"].sort();
    const within = months.filter((month) => first <= month && month <= last);
    if (within.length < months.length) filters.month = within.length ? { any: within } : { any: ["none"] };
    return filters;
  }

  // ---- the question

  // The index has every Han character as a word: Chinese is asked for as a phrase of characters.
  const spaced = (text) => text.replace(/\p{Script=Han}/gu, " $& ").replace(/\s+/g, " ").trim();

  function terms(question) {
    const found = [], words = [];
    const parts = question.replace(/[“”„＂]/g, '"').match(/"[^"]+"|\p{Script=Han}+|[^"\s\p{Script=Han}]+/gu) ?? [];
    for (const part of parts) {
      if (part[0] === '"' || HAN.test(part)) found.push(`"${spaced(part.replaceAll('"', ""))}"`);
      else words.push(part);
    }
    if (words.length) found.unshift(words.join(" "));
    return found.filter((term) => /[\p{L}\p{N}]/u.test(term));
  }

  // The pages that every term is in, in the first term's order or by the sum of their scores.
  async function find(data) {
    const asked = terms(data.get("q"));
    const sort = data.get("sort") || (asked.length ? "" : "date");
    const options = { filters: chosen(data), sort: sort ? { [sort]: "desc" } : {} };
    if (data.get("q").trim() && !asked.length) return [];
    const answers = await Promise.all((asked.length ? asked : [`"${EVERY_PAGE}"`]).map((term) => pagefind.search(term, options)));
    const [first, ...others] = answers.map((answer) => new Map(answer.results.map((one) => [one.id, one])));
    const found = [...first.values()].filter((one) => others.every((other) => other.has(one.id)));
    const joined = found.map((one) => ({
      data: one.data,
      score: others.reduce((sum, other) => sum + other.get(one.id).score, one.score),
      words: others.reduce((all, other) => all.concat(other.get(one.id).words), one.words),
    }));
    return sort ? joined : joined.sort((a, b) => b.score - a.score);
  }

  // ---- the answers

  // Around the densest matches below the title; the content's words are separated by U+200B.
  function excerpt(page, matches) {
    const escaped = (page.raw_content ?? page.content).replace(/[\s\u200B]*\uA66E.*$/u, "");
    const words = escaped.replaceAll("&lt;", "<").replaceAll("&gt;", ">").split("\u200B");
    const length = chinese ? 90 : 42;
    let title = 0;
    for (let seen = 0; title < words.length && seen < page.meta.title.length; title++) seen += words[title].length;
    while (title < words.length && !/[\p{L}\p{N}]/u.test(words[title])) title++;
    const places = [...new Set(matches)].filter((place) => place >= title).sort((a, b) => a - b);
    const dense = (place) => places.filter((other) => place <= other && other < place + length - 8).length;
    const best = places.reduce((a, b) => (dense(b) > dense(a) ? b : a), places[0] ?? title);
    const start = Math.max(title, Math.min(best - 8, words.length - length));
    const text = make("p", { class: "excerpt" }, start > title ? "…" : "");
    const hits = new Set(places);
    words.slice(start, start + length).forEach((word, offset) => {
      text.append(hits.has(start + offset) ? make("mark", {}, word) : word);
    });
    text.normalize();
    if (start + length < words.length) text.append("…");
    return text;
  }

  function item(page, matches) {
    const { title, date, score, authors } = page.meta;
    const facts = make("p", { class: "facts" });
    for (const fact of [date, authors, ...(page.filters.profile ?? [])]) if (fact) facts.append(make("span", {}, fact));
    if (score) facts.append(make("span", { class: "score" }, score));
    const heading = make("h2", {}, make("a", { href: page.url }, title));
    return make("li", {}, make("article", {}, heading, excerpt(page, matches), facts));
  }

  const counted = (n) => (n === 0 ? form.dataset.none : n === 1 ? form.dataset.one : form.dataset.many).replace("{n}", n);

  async function show() {
    const turn = ++latest;
    list.ariaBusy = "true";
    const found = await find(new FormData(form));
    if (turn !== latest) return;
    list.replaceChildren();
    status.textContent = counted(found.length);
    const next = async (focus) => {
      const some = found.splice(0, PAGE);
      const pages = await Promise.all(some.map((one) => one.data()));
      if (turn !== latest) return;
      const items = pages.map((page, i) => item(page, some[i].words));
      list.append(...items);
      more.hidden = !found.length;
      if (focus) items[0].querySelector("a").focus();
    };
    more.onclick = () => next(true).catch(failed);
    await next(false);
    if (turn === latest) list.ariaBusy = "false";
  }

  const failed = (error) => {
    list.ariaBusy = "false";
    status.textContent = form.dataset.failed;
    console.error(error);
  };
  const ask = () => show().catch(failed);

  async function start() {
    fill();
    pagefind = await import(new URL("pagefind/pagefind.js", root));
    offer(await pagefind.filters());
    fill([...form.elements].filter((field) => field.name !== "q")); // there, somebody may be typing by now
    let typing;
    form.addEventListener("input", (event) => {
      clearTimeout(typing);
      if (event.target.name === "q") typing = setTimeout(ask, 200);
    });
    const answer = () => { clearTimeout(typing); remember(); ask(); };
    form.addEventListener("change", answer);
    form.addEventListener("submit", (event) => { event.preventDefault(); answer(); });
    form.addEventListener("reset", () => setTimeout(answer));
    addEventListener("popstate", () => { fill(); ask(); });
    await show();
  }

  if (location.protocol === "file:") status.textContent = form.dataset.file;
  else start().catch(failed);
})();
