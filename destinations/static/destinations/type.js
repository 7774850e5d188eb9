// Shows the form of the type that is chosen, without loading the page anew. Without this script the button leads there.
'use strict';

(() => {
  const types = document.querySelector('form.bs-types');
  const target = document.getElementById('type-form');
  if (!types || !target) return;
  types.querySelector('button').hidden = true;
  let latest = 0;

  // what was typed into fields that every type has
  const common = (field) => field.name && !field.name.startsWith('option_') && field.name !== 'csrfmiddlewaretoken';

  const keep = (before, after) => {
    for (const old of before ? before.elements : []) {
      const field = common(old) && after.elements.namedItem(old.name);
      if (!field) continue;
      if (old.type === 'checkbox') field.checked = old.checked;
      else field.value = old.value;
    }
  };

  types.addEventListener('change', async () => {
    const number = ++latest;
    const url = new URL(window.location.href);
    url.searchParams.set('type', new FormData(types).get('type'));
    target.setAttribute('aria-busy', 'true');
    try {
      const answer = await fetch(url, { credentials: 'same-origin' });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const form = page.getElementById('backupdestination_form');
      if (number !== latest) return;
      // signed out, or an error page: show it
      if (!answer.ok || answer.redirected || !form) throw new Error('no form');
      form.action = url.pathname + url.search;
      keep(target.querySelector('form'), form);
      target.replaceChildren(document.adoptNode(form));
      target.removeAttribute('aria-busy');
    } catch {
      if (number === latest) window.location.assign(url);
    }
  });
})();
