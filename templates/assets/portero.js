// Small comforts on top of pages that work without them: a button that shows a password, a button that copies a value.
"use strict";

for (const template of document.querySelectorAll("template[data-reveal]")) {
  const input = document.getElementById(template.dataset.reveal);
  const button = template.content.firstElementChild.cloneNode(true);
  const say = (shown) => {
    button.setAttribute("aria-pressed", String(shown));
    input.type = shown ? "text" : "password";
  };
  button.addEventListener("click", () => say(input.type === "password"));
  // A password manager and the browser's own store must see a password field when the form goes.
  input.form.addEventListener("submit", () => say(false));
  template.replaceWith(button);
}

for (const template of document.querySelectorAll("template[data-copy]")) {
  if (!navigator.clipboard) break;
  const source = document.getElementById(template.dataset.copy);
  const button = template.content.firstElementChild.cloneNode(true);
  const label = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  template.replaceWith(button);
}

// Twice pressed is once sent.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// A page that comes back from the browser's memory starts afresh.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
