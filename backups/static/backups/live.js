"use strict";
// Refreshes what is marked data-live, by the address in it, every two seconds while the page is visible, and reloads it once something ended.
{
  const INTERVAL = 2000, SLOWEST = 60000, MOST = 50, NO_ANSWER = "no answer from the site, trying again";
  const SIGNED_OUT = "signed out: reload this page to sign in";
  const live = () => [...document.querySelectorAll("[data-live]")];
  let wait = INTERVAL, timer;

  const setText = (element, selector, text) => {
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

  // there may be none: its row may have left the page since the request
  const show = (run) => document.querySelectorAll(`[data-live][data-run="${run.id}"]`).forEach((element) => {
    element.dataset.status = run.status;
    element.querySelector(".bs-badge").dataset.status = run.tone;
    setText(element, ".bs-badge", run.label);
    setText(element, ".bs-detail", run.detail);
    const progress = element.querySelector("progress");
    progress.value = run.percent;
    progress.hidden = run.status !== "running";
    run.steps.forEach((step) => showStep(run.id, step));
    if (!run.active) delete element.dataset.live;
  });

  const fetchRuns = async (url, elements) => {
    const ids = elements.map((element) => element.dataset.run).join();
    const answer = await fetch(`${url}?ids=${ids}`, {redirect: "manual", cache: "no-store"});
    // it leads to the page for the sign-in
    if (answer.type === "opaqueredirect") throw new Error(SIGNED_OUT);
    if (!answer.ok) throw new Error(NO_ANSWER);
    return (await answer.json()).executions;
  };

  // the page of one run; whatever fails, the next poll asks again
  const showLog = async () => {
    const log = document.querySelector("[data-log-url]");
    if (!log) return;
    const query = new URLSearchParams({since: log.dataset.value});
    const answer = await fetch(`${log.dataset.logUrl}?${query}`, {redirect: "manual", cache: "no-store"});
    if (answer.status !== 200) return;
    const {lines, written_at} = await answer.json();
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    log.dataset.value = written_at;
    log.replaceChildren(...lines.map(([level, text]) => {
      const line = document.createElement("span");
      if (level) line.dataset.level = level;
      line.textContent = `${text}\n`;
      return line;
    }));
    log.closest("section").hidden = !lines.length;
    if (atEnd) log.scrollTop = log.scrollHeight;
  };

  const poll = async () => {
    if (document.hidden) return;
    const elements = live().slice(0, MOST), urls = new Set(elements.map((element) => element.dataset.live));
    let runs;
    try {
      const answers = [...urls].map((url) => fetchRuns(url, elements.filter((element) => element.dataset.live === url)));
      runs = (await Promise.all(answers)).flat();
    } catch (error) {
      // whatever else fails, the network or what a proxy answers, is no answer from the site
      const text = error.message === SIGNED_OUT ? SIGNED_OUT : NO_ANSWER;
      wait = Math.min(wait * 2, SLOWEST);
      elements.forEach((element) => setText(element, ".bs-detail", text));
      schedule(wait);
      return;
    }
    wait = INTERVAL;
    runs.forEach(show);
    showLog().catch(() => {});
    // a reload would undo a selection in the list
    if (runs.some((one) => !one.active) && !document.querySelector(".action-select:checked")) location.reload();
    schedule(wait);
  };

  const schedule = (delay) => {
    clearTimeout(timer);
    if (live().length) timer = setTimeout(poll, delay);
  };

  // what is cut off is read under the pointer
  document.querySelectorAll(".bs-state .bs-detail").forEach((element) => { element.title = element.textContent; });
  document.addEventListener("visibilitychange", () => document.hidden || schedule(0));
  schedule(INTERVAL);
}
