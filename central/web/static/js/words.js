// Words of the scripts: Chinese in place, English from the catalogue.
const isEnglish = document.documentElement.lang === 'en';
const catalogue = isEnglish ? await (await fetch('/catalogue/en.json')).json() : {};

/** Translate a Chinese sentence and fill in %(name)s. */
export function _(text, values = {}) {
  return (catalogue[text] ?? text).replace(/%\((\w+)\)s/g, (_all, name) => values[name] ?? '');
}
