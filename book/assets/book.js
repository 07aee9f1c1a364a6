/* What the book's pages need beside their figures. */
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  // The theme's script looks for the right-hand sidebar on every page with a margin note; a page without sections has none.
  if (!document.querySelector("div.bd-sidebar-secondary")) {
    const sidebar = document.createElement("div");
    sidebar.className = "bd-sidebar-secondary";
    sidebar.hidden = true;
    document.body.append(sidebar);
  }
  // A wide equation or table can be scrolled with the keyboard, too.
  for (const box of document.querySelectorAll("div.cell_output > .output, .pst-scrollable-table-container")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
  // Paper is white, and on it every folded solution is open.
  const page = document.documentElement, folded = [];
  let theme = page.dataset.theme;
  addEventListener("beforeprint", () => {
    theme = page.dataset.theme;
    page.dataset.theme = "light";
    for (const box of document.querySelectorAll("details:not([open])")) { box.open = true; folded.push(box); }
  });
  addEventListener("afterprint", () => {
    page.dataset.theme = theme;
    for (const box of folded.splice(0)) box.open = false;
  });
});
