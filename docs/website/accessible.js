// Lets a keyboard and a screen reader use what the theme leaves out: boxes that scroll sideways take the focus and
// have a name, and no two landmarks have the same one. The theme makes some of these parts itself, later than this
// script runs, and takes the focus from boxes of code on a screen without a mouse; hence the observer.
(() => {
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null) element.removeAttribute(name);
      else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  };

  const mend = () => {
    for (const [selector, name] of [
      [".md-typeset pre > code", "Code"],
      [".md-typeset__scrollwrap", "Table"],
    ]) {
      for (const box of document.querySelectorAll(selector)) {
        if (box.scrollWidth > box.clientWidth) set(box, { tabindex: "0", role: "group", "aria-label": name });
        else set(box, { tabindex: null, role: null, "aria-label": null });
      }
    }
    document.querySelectorAll(".md-path").forEach((path) => set(path, { "aria-label": "Path" }));
    // The empty corner of a table is the heading of nothing.
    document.querySelectorAll(".md-typeset th:empty").forEach((corner) => set(corner, { role: "cell" }));
    // The theme takes the button that copies code for navigation.
    document.querySelectorAll(".md-code__nav").forEach((buttons) => set(buttons, { role: "none" }));
  };

  let waiting = false;
  const mendSoon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mend();
    });
  };

  new ResizeObserver(mendSoon).observe(document.body);  // also when a part of the page is opened
  new MutationObserver(mendSoon).observe(document.body, {
    attributeFilter: ["tabindex"],
    childList: true,
    subtree: true,
  });
})();
