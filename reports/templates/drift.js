"use strict";
(() => {
  const form = document.getElementById("change-filter");
  if (form) {
    const rows = [...document.querySelectorAll("tr.change")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const groups = [...document.querySelectorAll("details.group")];
    const apply = () => {
      const wanted = new FormData(form);
      const words = String(wanted.get("text")).toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = ["judgement", "area", "severity"].every((name) => {
          const value = wanted.get(name);
          return !value || row.dataset[name] === value;
        });
        row.hidden = !(fits && words.every((word) => texts[index].includes(word)));
        shown += row.hidden ? 0 : 1;
      });
      groups.forEach((group) => { group.hidden = !group.querySelector("tr.change:not([hidden])"); });
      document.getElementById("change-count").textContent = `${shown} of ${rows.length} changes shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    apply();
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.dataset.was = part.open ? "1" : ""; part.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach((part) => { part.open = Boolean(part.dataset.was); }));
})();
