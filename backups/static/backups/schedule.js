"use strict";
// Shows the next runs of the cadence in the form as it is typed, or its error, and the instances that it would cover.
{
  const PAUSE = 250;
  const SIGNED_OUT = "You are signed out: sign in again before you save.";
  const NO_ANSWER = "No answer from the site: the next runs are shown after saving.";
  const box = document.querySelector("[data-preview-url]");
  const form = box && box.closest("form");
  const fields = ["type", "expression", "time_zone"].map((name) => document.getElementById(`id_${name}`));
  const scope = document.getElementById("id_scope"), cover = document.querySelector("[data-section=covers-now]");
  // of a saved schedule the page has a table of what it covers
  const saved = document.querySelector("[data-section=parts]");
  let timer, asked = 0, cadenceTyped = false, scopeChosen = false;

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

  const showCover = ({covers, covers_problem}) => {
    if (!cover || !covers) return;
    cover.hidden = scope.value === "instance" || (saved && !scopeChosen);
    cover.querySelector("[data-field=covers_problem]").textContent = covers_problem;
    const text = covers.length ? `${covers.length}: ${covers.join(", ")}` : "";
    cover.querySelector("[data-field=covers]").textContent = text;
  };

  // only the field that the scope needs
  const fit = () => {
    for (const name of ["instance", "instances", "label"]) {
      const line = form.querySelector(`.form-row.field-${name}`);
      if (line) line.hidden = name !== scope.value;
    }
  };

  const ask = async () => {
    const number = ++asked, values = new URLSearchParams(fields.map((field) => [field.name, field.value]));
    if (scope) {
      for (const name of ["scope", "instance", "label"]) values.set(name, form.elements[name].value);
      for (const chosen of form.querySelectorAll("[name=instances]:checked")) values.append("instances", chosen.value);
    }
    try {
      const answer = await fetch(`${box.dataset.previewUrl}?${values}`, {redirect: "manual", cache: "no-store"});
      if (answer.type === "opaqueredirect") throw new Error(SIGNED_OUT);
      if (!answer.ok) throw new Error(answer.status);
      const preview = await answer.json();
      // the answer to an earlier request may arrive after a later one
      if (number !== asked) return;
      const empty = !cadenceTyped && !fields[1].value && fields[0].value !== "manual";
      show(empty ? {words: "", runs: [], problem: ""} : preview);
      showCover(preview);
    } catch (error) {
      show({words: "", runs: [], problem: error.message === SIGNED_OUT ? SIGNED_OUT : NO_ANSWER});
    }
  };

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };

  if (box && fields.every(Boolean)) {
    fields.forEach((field) => field.addEventListener("input", () => {
      cadenceTyped = true;
      later();
    }));
    if (scope) {
      fit();
      form.addEventListener("change", ({target}) => {
        if (!["scope", "instance", "instances", "label"].includes(target.name)) return;
        scopeChosen = true;
        fit();
        later();
      });
    }
    if (fields[1].value || fields[0].value === "manual" || (scope && scope.value !== "instance")) ask();
    else box.querySelector("table").hidden = true;
  }
}
