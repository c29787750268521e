"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // rules: shown or hidden by what the form says
  const form = byId("rule-filter");
  if (form) {
    const rules = [...document.querySelectorAll("details.rule")];
    const texts = rules.map((rule) => rule.textContent.toLowerCase());
    const apply = () => {
      const wanted = new FormData(form);
      const words = String(wanted.get("text")).toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rules.forEach((rule, index) => {
        const fits = ["verdict", "level", "section", "benchmark"].every((name) => {
          const value = wanted.get(name);
          return !value || rule.dataset[name] === value;
        });
        rule.hidden = !(fits && words.every((word) => texts[index].includes(word)));
        shown += rule.hidden ? 0 : 1;
      });
      byId("rule-count").textContent = `${shown} of ${rules.length} rules shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    apply();
  }

  // big tables: rows live in a data block, one page of them in the document
  const PAGE = 100;
  for (const block of document.querySelectorAll("script[type='application/json'][data-rows]")) {
    const rows = JSON.parse(block.textContent);
    const name = block.dataset.rows;
    const body = byId(`${name}-body`);
    const heads = [...byId(`${name}-table`).querySelectorAll("thead th")];
    const search = byId(`${name}-search`);
    const previous = byId(`${name}-previous`);
    const next = byId(`${name}-next`);
    const texts = rows.map((row) => row.join("\n").toLowerCase());
    let found = rows.map((_, index) => index);
    let page = 0;
    let order = { column: -1, up: true };

    const draw = () => {
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      page = Math.min(page, pages - 1);
      const fresh = document.createDocumentFragment();
      for (const index of found.slice(page * PAGE, (page + 1) * PAGE)) {
        const line = document.createElement("tr");
        rows[index].forEach((value, column) => {
          const cell = document.createElement("td");
          cell.className = heads[column].dataset.cell || "";
          cell.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
          line.append(cell);
        });
        fresh.append(line);
      }
      body.replaceChildren(fresh);
      previous.disabled = page === 0;
      next.disabled = page >= pages - 1;
      byId(`${name}-count`).textContent = `${found.length} of ${rows.length} rows, page ${page + 1} of ${pages}`;
    };
    const select = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = [];
      texts.forEach((text, index) => { if (words.every((word) => text.includes(word))) found.push(index); });
      if (order.column >= 0) {
        const { column, up } = order;
        found.sort((a, b) => {
          const [x, y] = [rows[a][column], rows[b][column]];
          const sign = typeof x === "number" && typeof y === "number" ? x - y : String(x) < String(y) ? -1 : String(x) > String(y) ? 1 : 0;
          return (up ? sign : -sign) || a - b;
        });
      }
      page = 0;
      draw();
    };
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      order = { column, up: order.column === column ? !order.up : true };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order.up ? "ascending" : "descending");
      select();
    }));
    search.addEventListener("input", select);
    previous.addEventListener("click", () => { page -= 1; draw(); });
    next.addEventListener("click", () => { page += 1; draw(); });
    draw();
  }

  // a printed report shows what did not pass in full, and the rest as one line each
  const unfold = "details.rule:not([data-verdict='pass']):not([data-verdict='not_applicable']), details.kind";
  addEventListener("beforeprint", () => document.querySelectorAll(unfold).forEach((part) => { part.dataset.was = part.open ? "1" : ""; part.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll(unfold).forEach((part) => { part.open = Boolean(part.dataset.was); }));
})();
