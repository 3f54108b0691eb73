// Shows the meaning of a figure's name beside it while the pointer rests on it or the keyboard has reached it. Without
// this script the browser shows the title.
(function () {
  "use strict";
  const GAP = 6;  // pixels
  const tip = document.createElement("div");
  tip.id = "meaning";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);

  function show(term) {
    tip.textContent = term.dataset.meaning;
    tip.hidden = false;
    const at = term.getBoundingClientRect();
    const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - GAP);
    const below = at.bottom + GAP + tip.offsetHeight < window.innerHeight;
    tip.style.left = Math.max(left, GAP) + "px";
    tip.style.top = (below ? at.bottom + GAP : Math.max(at.top - GAP - tip.offsetHeight, GAP)) + "px";
  }
  const hide = () => { tip.hidden = true; };

  for (const term of document.querySelectorAll(".term")) {
    term.dataset.meaning = term.title;
    term.removeAttribute("title");
    term.setAttribute("aria-describedby", tip.id);
    ["mouseenter", "focus"].forEach((event) => term.addEventListener(event, () => show(term)));
    ["mouseleave", "blur"].forEach((event) => term.addEventListener(event, hide));
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", hide, {passive: true, capture: true});
})();
