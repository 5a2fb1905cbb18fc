// What pages can do only with script: follow a build's log, bring the failing line into view, copy a command, complete
// what is typed.
// Whatever comes from a build is put in as text (textContent), never as markup.
"use strict";

function offerCopying(within) {
  if (!navigator.clipboard) return;
  for (const button of within.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}
offerCopying(document);

function reveal(box, line) {
  box.scrollTop = line.offsetTop - box.offsetTop - box.clientHeight / 3;
}

function lineElement(number, line) {
  const item = document.createElement("li");
  item.id = `L${number}`;
  if (line.is_note) item.className = "note";
  if (line.stage) item.dataset.stage = line.stage;
  if (line.at) item.dataset.at = line.at;
  const link = document.createElement("a");
  link.href = `#L${number}`;
  link.setAttribute("aria-label", `Line ${number}`);
  link.textContent = number;
  const gutter = document.createElement("b");
  gutter.textContent = line.gutter;
  const text = document.createElement("span");
  for (const piece of line.pieces) {
    const part = document.createElement("span");
    part.className = piece.style;
    part.textContent = piece.text;
    text.append(part);
  }
  item.append(link, gutter, text);
  return item;
}

function skippedElement(first, count, attempt) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${location.pathname}/log?attempt=${attempt}&from=${first}`;
  link.textContent = "…";
  link.setAttribute("aria-label", `Read on at line ${first}`);
  const text = document.createElement("span");
  text.textContent = `${count} lines came too fast to be shown here.`;
  item.append(link, document.createElement("b"), text);
  return item;
}

function followLog(box) {
  const list = box.querySelector("ol");
  const follow = document.getElementById("follow");
  const live = document.getElementById("live");
  const attempt = Number(box.dataset.attempt);
  const kept = 4000;
  let next = Number(box.dataset.next);
  const events = new EventSource(`${box.dataset.events}?after=${encodeURIComponent(box.dataset.after)}`);

  const toEnd = () => { if (follow.checked) box.scrollTop = box.scrollHeight; };
  const append = (lines, skipped = 0) => {
    const added = document.createDocumentFragment();
    if (skipped) added.append(skippedElement(next, skipped, attempt));
    next += skipped;
    for (const line of lines) added.append(lineElement(next++, line));
    list.append(added);
    while (list.childElementCount > kept) list.firstElementChild.remove();
    toEnd();
  };
  const showFailure = (page) => {
    // The page knows which line the failure is about; what was followed does not.
    const found = page.querySelector(".log-section");
    if (!found || !found.querySelector("[data-marked]")) return;
    // What screen readers were told stays where it was.
    found.insertBefore(document.getElementById("follow-bar"), found.querySelector(".log-box"));
    document.querySelector(".log-section").replaceWith(document.adoptNode(found));
    const line = document.querySelector("[data-marked]");
    reveal(line.closest(".log-box"), line);
  };
  const refresh = async (final) => {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const head = page.getElementById("build-head");
    if (head) document.getElementById("build-head").replaceWith(document.adoptNode(head));
    offerCopying(document.getElementById("build-head"));
    document.title = page.title;
    if (final) showFailure(page);
  };

  follow.disabled = false;
  live.textContent = "Live.";
  follow.addEventListener("change", toEnd);
  events.addEventListener("open", () => { live.textContent = "Live."; });
  events.addEventListener("error", () => { live.textContent = "Connecting again…"; });
  events.addEventListener("lines", (event) => {
    const more = JSON.parse(event.data);
    append(more.lines, more.skipped);
  });
  events.addEventListener("status", async (event) => {
    const change = JSON.parse(event.data);
    if (change.attempt !== attempt) { events.close(); location.reload(); return; }
    if (change.final) {
      events.close();
      live.textContent = `The build has ${change.status === "cancelled" ? "been cancelled" : change.status}.`;
    }
    await refresh(change.final);
  });
  toEnd();
}

function suggest(input) {
  const list = document.getElementById(input.getAttribute("list"));
  let waiting;
  let asked = "";
  const ask = async () => {
    const typed = input.value.trim();
    if (!typed || typed === asked) return;
    asked = typed;
    const answer = await fetch(`${input.dataset.suggestions}?q=${encodeURIComponent(typed)}`);
    if (!answer.ok || answer.redirected || input.value.trim() !== typed) return;
    const options = (await answer.json()).suggestions.map((text) => {
      const option = document.createElement("option");
      option.value = text;
      return option;
    });
    if (options.length) list.replaceChildren(...options);
  };
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 150); });
}

const typed = document.querySelector("input[data-suggestions]");
if (typed) suggest(typed);
const box = document.querySelector(".log-box[data-events]");
if (box) followLog(box);
const marked = document.querySelector("[data-marked]");
if (marked && !location.hash) reveal(marked.closest(".log-box"), marked);
