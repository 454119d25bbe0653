// Light, dark, or as the system has it. Kept in a cookie, which the server writes into the page: no flash of the other.

const YEAR_SECONDS = 31_536_000;

function setTheme(theme) {
  const root = document.documentElement;
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  document.cookie = `theme=${theme}; path=/; max-age=${theme ? YEAR_SECONDS : 0}; samesite=lax`;
}

const choices = document.querySelector("[data-themes]");
if (choices) {
  choices.disabled = false;
  choices.querySelector(`input[value="${document.documentElement.dataset.theme ?? ""}"]`).checked = true;
  choices.addEventListener("change", (event) => setTheme(event.target.value));
}
