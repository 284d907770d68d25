/* The reader's choice of scheme. Loaded before the page is drawn, so that nothing flashes. */
(() => {
  const KEY = "taskmapr.theme";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  /** @returns {"light" | "dark"} */
  const shown = () => root.dataset.tmTheme || (system.matches ? "dark" : "light");

  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") root.dataset.tmTheme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-tm-theme-switch]")) {
      const name = () => {
        button.textContent = shown() === "dark" ? "Light" : "Dark";
        button.setAttribute("aria-label", `Switch to the ${button.textContent.toLowerCase()} scheme`);
      };
      button.hidden = false;
      name();
      button.addEventListener("click", () => {
        root.dataset.tmTheme = shown() === "dark" ? "light" : "dark";
        localStorage.setItem(KEY, root.dataset.tmTheme);
        name();
      });
    }
  });
})();
