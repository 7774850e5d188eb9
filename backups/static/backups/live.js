"use strict";
// Refreshes what is marked data-live every two seconds while the page is visible, and reloads it once something ended.
{
  const INTERVAL = 2000, SLOWEST = 60000, MOST = 50;
  const live = () => [...document.querySelectorAll("[data-live]")];
  let wait = INTERVAL, timer;

  const say = (element, selector, text) => {
    const found = element.querySelector(selector);
    if (found.textContent !== text) found.textContent = found.title = text;
  };

  // a page may show several runs, and the timeline of one of them
  const showStep = (id, {name, state, began, took}) => {
    const row = document.querySelector(`[data-timeline="${id}"] [data-step="${name}"]`);
    if (!row) return;
    row.dataset.state = state;
    [row.cells[1].textContent, row.cells[2].textContent] = [began, took];
  };

  // none, where its row left the page after it was asked for
  const show = (execution) => document.querySelectorAll(`[data-live="${execution.id}"]`).forEach((element) => {
    element.dataset.status = execution.status;
    element.querySelector(".bs-badge").dataset.status = execution.tone;
    say(element, ".bs-badge", execution.label);
    say(element, ".bs-detail", execution.detail);
    const progress = element.querySelector("progress");
    progress.value = execution.percent;
    progress.hidden = execution.status !== "running";
    execution.steps.forEach((step) => showStep(execution.id, step));
    if (!execution.active) delete element.dataset.live;
  });

  const ask = async (url, elements) => {
    const ids = elements.map((element) => element.dataset.live).join();
    const answer = await fetch(`${url}?ids=${ids}`, {redirect: "error", cache: "no-store"});
    if (!answer.ok) throw new Error(answer.status);
    return (await answer.json()).executions;
  };

  const poll = async () => {
    if (document.hidden) return;
    const elements = live().slice(0, MOST), urls = new Set(elements.map((element) => element.dataset.statusUrl));
    let executions;
    try {
      const answers = [...urls].map((url) => ask(url, elements.filter((element) => element.dataset.statusUrl === url)));
      executions = (await Promise.all(answers)).flat();
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
      elements.forEach((element) => say(element, ".bs-detail", "no answer from the site, trying again"));
      again(wait);
      return;
    }
    wait = INTERVAL;
    executions.forEach(show);
    // a reload would undo a selection in the list
    if (executions.some((one) => !one.active) && !document.querySelector(".action-select:checked")) location.reload();
    again(wait);
  };

  const again = (delay) => {
    clearTimeout(timer);
    if (live().length) timer = setTimeout(poll, delay);
  };

  document.addEventListener("visibilitychange", () => document.hidden || again(0));
  again(INTERVAL);
}
