/* Plays the frames of a run at the pace at which they came. */

const rows = [...document.querySelectorAll("#frames > li")];
const button = document.getElementById("replay-play");
const speed = document.getElementById("replay-speed");
const progress = document.getElementById("replay-progress");
const answer = document.getElementById("replay-answer");
/** Silences longer than this are cut short, in milliseconds. */
const LONGEST_PAUSE = 3000;

let shown = rows.length;
let timer = 0;

function show() {
  rows.forEach((row, number) => (row.hidden = number >= shown));
  answer.textContent = rows.slice(0, shown).map((row) => row.dataset.says).join("");
  progress.value = shown;
}

function pause() {
  clearTimeout(timer);
  timer = 0;
  button.textContent = shown < rows.length ? "Go on" : "Play";
}

function next() {
  shown += 1;
  show();
  if (shown >= rows.length) return pause();
  const gap = Number(rows[shown].dataset.at) - Number(rows[shown - 1].dataset.at);
  timer = setTimeout(next, Math.min(gap, LONGEST_PAUSE) / Number(speed.value));
}

function play() {
  if (shown >= rows.length) shown = 0;
  button.textContent = "Pause";
  next();
}

button.addEventListener("click", () => (timer ? pause() : play()));
document.getElementById("replay").hidden = false;
show();
