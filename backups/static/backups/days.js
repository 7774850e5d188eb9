"use strict";
// Says under the pointer what each day of a strip was. It holds a letter a day; the table says what the letters mean.
{
  const STEP = 7, DAY = 86400000;
  let shown = null, label = "";

  const leave = () => {
    if (shown) shown.textContent = label;
    shown = null;
  };

  document.addEventListener("pointermove", (event) => {
    const strip = event.target.closest?.("[data-words] [data-field=days]");
    if (!strip) return leave();
    const letters = strip.dataset.value, table = strip.closest("[data-words]"), title = strip.querySelector("title");
    const index = Math.floor((event.clientX - strip.getBoundingClientRect().left) / STEP);
    if (shown !== title) {
      leave();
      [shown, label] = [title, title.textContent];
    }
    const at = new Date(Date.parse(table.dataset.until) - (letters.length - 1 - index) * DAY);
    const words = JSON.parse(table.dataset.words)[letters[index]];
    // at the edge there is no day
    title.textContent = words ? `${at.toISOString().slice(5, 10)}: ${words}` : label;
  });
}
