// Shows the value of the mark nearest to the pointer. Without this script only these values are missing.
"use strict";
(() => {
  const tip = document.getElementById("tip");
  let near = null;

  const leave = () => {
    if (near) near.classList.remove("near");
    near = null;
    tip.hidden = true;
  };

  // The point of a mark that is nearest to the pointer, and its distance.
  const place = (mark, event) => {
    const box = mark.getBoundingClientRect();
    const x = Math.min(Math.max(event.clientX, box.left), box.right);
    const y = Math.min(Math.max(event.clientY, box.top), box.bottom);
    return { mark, x, y, distance: Math.hypot(x - event.clientX, (y - event.clientY) * 0.7) };
  };

  const point = (drawing, event) => {
    const marks = [...drawing.querySelectorAll("svg [aria-label]")].map((mark) => place(mark, event));
    if (!marks.length) return;
    const found = marks.reduce((best, at) => (at.distance < best.distance ? at : best));
    if (found.distance > 60) return leave();
    if (found.mark !== near) {
      leave();
      near = found.mark;
      near.classList.add("near");
      tip.textContent = near.getAttribute("aria-label");
      tip.hidden = false;
    }
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, found.x - box.width / 2), document.documentElement.clientWidth - box.width - 4);
    const above = found.y - box.height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : found.y + 14}px`;
  };

  for (const drawing of document.querySelectorAll(".drawing")) {
    drawing.addEventListener("pointermove", (event) => point(drawing, event));
    drawing.addEventListener("pointerdown", (event) => point(drawing, event));
    drawing.addEventListener("pointerleave", leave);
  }
  addEventListener("scroll", leave, { passive: true });
})();
