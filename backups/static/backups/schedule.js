"use strict";
// Shows the next runs of the cadence in the form as it is typed, or its error.
{
  const PAUSE = 250;
  const SIGNED_OUT = "You are signed out: sign in again before you save.";
  const NO_ANSWER = "No answer from the site: the next runs are shown after saving.";
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
      const answer = await fetch(`${box.dataset.previewUrl}?${values}`, {redirect: "manual", cache: "no-store"});
      if (answer.type === "opaqueredirect") throw new Error(SIGNED_OUT);
      if (!answer.ok) throw new Error(answer.status);
      const preview = await answer.json();
      // the answer to an earlier request may arrive after a later one
      if (number === asked) show(preview);
    } catch (error) {
      show({words: "", runs: [], problem: error.message === SIGNED_OUT ? SIGNED_OUT : NO_ANSWER});
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
