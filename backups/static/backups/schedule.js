"use strict";
// Shows the next runs of the cadence in the form as it is typed, or its error.
{
  const PAUSE = 250;
  const box = document.querySelector("[data-preview-url]");
  const fields = ["type", "expression", "time_zone"].map((name) => document.getElementById(`id_${name}`));
  let timer, asked = 0;

  const cell = (field, text) => {
    const element = document.createElement("td");
    element.dataset.field = field;
    element.textContent = text;
    return element;
  };

  const row = ({local, utc}) => {
    const element = document.createElement("tr");
    element.append(cell("local", local), cell("utc", utc));
    return element;
  };

  const show = ({words, runs, problem}) => {
    box.querySelector(".bs-words").textContent = words;
    box.querySelector(".bs-fault").textContent = problem;
    box.querySelector("tbody").replaceChildren(...runs.map(row));
    box.querySelector("table").hidden = !runs.length;
  };

  const ask = async () => {
    const number = ++asked, values = new URLSearchParams(fields.map((field) => [field.name, field.value]));
    try {
      const answer = await fetch(`${box.dataset.previewUrl}?${values}`, {redirect: "error", cache: "no-store"});
      if (!answer.ok) throw new Error(answer.status);
      const preview = await answer.json();
      // the answer to an earlier request may arrive after a later one
      if (number === asked) show(preview);
    } catch {
      show({words: "", runs: [], problem: "No answer from the site: the next runs are shown after saving."});
    }
  };

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };

  if (box && fields.every(Boolean)) {
    fields.forEach((field) => field.addEventListener("input", later));
    if (fields[1].value || fields[0].value === "manual") ask();
    else box.querySelector("table").hidden = true;
  }
}
