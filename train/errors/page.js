"use strict";
// A picture is decoded when it comes near the window, or when the page is printed.
{
  const draw = (picture) => { picture.src = picture.dataset.src; picture.removeAttribute("data-src"); };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  for (const picture of document.querySelectorAll("img[data-src]")) near.observe(picture);
  addEventListener("beforeprint", () => document.querySelectorAll("img[data-src]").forEach(draw));
}
