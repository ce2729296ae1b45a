
// Reloads a page that is written again and again, while its box is checked.
const box = document.querySelector("#reload");
setInterval(() => {
  if (box.checked) location.reload();
}, 1000 * box.dataset.seconds);
