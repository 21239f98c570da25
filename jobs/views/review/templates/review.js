// Keys press the buttons of the page; one press a page, so that a key held down answers one question.
"use strict";
let pressed = false;
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (pressed || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = [...document.querySelectorAll("button[data-key]")].find((each) => each.dataset.key === event.key.toLowerCase());
  if (!button || button.disabled) return;
  event.preventDefault();
  pressed = true;
  button.click();
});
window.addEventListener("pageshow", () => { pressed = false; });
