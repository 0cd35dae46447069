"use strict";
// All of it is comfort: the page reads without. What is filtered stands in the address, so that it
// can be sent on: #q=web1&o=failed&s=slow
(() => {
  const FIRST = 100; // rows that are shown before somebody asks for all
  const $ = (id) => document.getElementById(id);
  const list = $("list");
  const rows = [...list.children];
  const find = $("find"), outcome = $("outcome"), sort = $("sort");
  const squares = new Map([...document.querySelectorAll(".squares a")].map((a) => [a.hash.slice(1), a]));
  const texts = new Map();
  let all = false;
  let order = "";

  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const name = (row) => row.querySelector(".name").textContent;
  const orders = {
    slow: (a, b) => b.dataset.s - a.dataset.s,
    quick: (a, b) => a.dataset.s - b.dataset.s,
    name: (a, b) => name(a).localeCompare(name(b), undefined, { numeric: true }),
  };

  function show() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const row of list.children) {
      const is = (!outcome.value || row.dataset.o === outcome.value)
        && words.every((word) => text(row).includes(word));
      row.classList.toggle("out", !is);
      row.classList.toggle("later", is && !all && seen >= FIRST);
      squares.get(row.id)?.classList.toggle("off", !is);
      seen += is;
    }
    $("count").textContent = seen === rows.length ? `${seen} hosts` : `${seen} of ${rows.length} hosts`;
    $("rest").hidden = all || seen <= FIRST;
    $("rest").firstElementChild.textContent = `Show all ${seen}`;
    for (const chip of document.querySelectorAll(".chip")) {
      const on = chip.dataset.o === outcome.value;
      chip.classList.toggle("on", on);
      chip.setAttribute("aria-current", String(on));
    }
  }

  function arrange() {
    if (sort.value === order) return; // a thousand rows are not moved for nothing
    order = sort.value;
    list.append(...(order in orders ? [...rows].sort(orders[order]) : rows));
  }

  function keep() {
    const state = new URLSearchParams();
    if (find.value) state.set("q", find.value);
    if (outcome.value) state.set("o", outcome.value);
    if (sort.value) state.set("s", sort.value);
    history.replaceState(null, "", `#${state}`);
  }

  function restore() {
    if (find) show();
    const target = location.hash.length > 1 && $(location.hash.slice(1));
    if (target) {
      for (let at = target; at; at = at.parentElement) {
        at.classList.remove("out", "later");
        if (at.tagName === "DETAILS") at.open = true;
      }
      const inner = target.querySelector("details");
      if (inner && target.parentElement === list) inner.open = true;
      target.scrollIntoView();
      return;
    }
    if (!find || location.hash.length < 2) return;
    const state = new URLSearchParams(location.hash.slice(1));
    find.value = state.get("q") ?? "";
    outcome.value = state.get("o") ?? "";
    sort.value = state.get("s") ?? "";
    if (outcome.selectedIndex < 0) outcome.value = "";
    if (sort.selectedIndex < 0) sort.value = "";
    arrange();
    show();
  }

  if (find) {
    const tools = find.form;
    tools.hidden = false;
    tools.addEventListener("submit", (event) => event.preventDefault());
    find.addEventListener("input", () => { keep(); show(); });
    outcome.addEventListener("change", () => { keep(); show(); });
    sort.addEventListener("change", () => { keep(); arrange(); show(); });
    $("rest").firstElementChild.addEventListener("click", () => { all = true; show(); });
    for (const chip of document.querySelectorAll(".chip")) {
      chip.addEventListener("click", (event) => {
        event.preventDefault();
        outcome.value = outcome.value === chip.dataset.o ? "" : chip.dataset.o;
        keep();
        show();
        $("hosts").scrollIntoView();
      });
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) {
        event.preventDefault();
        find.focus();
      } else if (event.key === "Escape" && document.activeElement === find) {
        find.value = "";
        keep();
        show();
      }
    });
  }

  async function copy(button, code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // a browser that does not trust a file with its clipboard
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) return;
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  for (const box of document.querySelectorAll(".cmd")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, box.firstElementChild));
    box.append(button);
  }

  addEventListener("hashchange", restore);
  restore();
})();
