// What pages do with JavaScript only: follow a build's log, scroll to the failing line, refresh automatically, copy a
// command, complete input, take files that are dropped and show how far each one is sent.
// Text of a build is inserted as text (textContent), never as markup.
"use strict";

function enableCopying(within) {
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
enableCopying(document);

function reveal(box, line) {
  box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

function timeElement(at, style) {
  const moment = new Date(at);
  const time = document.createElement("time");
  time.dateTime = moment.toISOString();
  time.textContent = time.dateTime.slice(11, 19);
  time.className = style;
  return time;
}

// The fold of a new stage, as parts.html renders it; the number of its lines is not known yet.
function foldElement(number, line, names) {
  const fold = document.createElement("details");
  fold.className = "fold";
  fold.dataset.stage = line.stage;
  fold.open = true;
  const head = document.createElement("summary");
  const name = document.createElement("strong");
  name.textContent = names[line.stage] ?? line.stage;
  head.append(name);
  if (line.at) head.append(" ", timeElement(line.at, ""));
  const list = document.createElement("ol");
  list.className = "log";
  list.start = number;
  fold.append(head, list);
  return fold;
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
  if (line.at) text.append(" ", timeElement(line.at, "at"));
  item.append(link, gutter, text);
  return item;
}

function skippedElement(first, count, attempt) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `${location.pathname}/log?attempt=${attempt}&from=${first}`;
  link.textContent = "…";
  link.setAttribute("aria-label", `Continue at line ${first}`);
  const text = document.createElement("span");
  text.textContent = `${count} lines skipped: the log grew too fast.`;
  item.append(link, document.createElement("b"), text);
  return item;
}

function followLog(box) {
  let list = [...box.querySelectorAll("ol")].at(-1);
  const follow = document.getElementById("follow");
  const live = document.getElementById("live");
  const attempt = Number(box.dataset.attempt);
  const kept = 4000;
  const names = JSON.parse(box.dataset.stages);
  let next = Number(box.dataset.next);
  const events = new EventSource(`${box.dataset.events}?after=${encodeURIComponent(box.dataset.after)}`);

  const toEnd = () => { if (follow.checked) box.scrollTop = box.scrollHeight; };
  const append = (lines, skipped = 0) => {
    let added = document.createDocumentFragment();
    if (skipped) added.append(skippedElement(next, skipped, attempt));
    next += skipped;
    for (const line of lines) {
      if (line.is_note && line.stage) {
        list.append(added);
        added = document.createDocumentFragment();
        const fold = foldElement(next, line, names);
        box.append(fold);
        list = fold.querySelector("ol");
      }
      added.append(lineElement(next++, line));
    }
    list.append(added);
    const all = box.getElementsByTagName("li");
    while (all.length > kept) all[0].remove();
    toEnd();
  };
  const showFailure = (page) => {
    // The new page marks the failing line; the followed log does not.
    const found = page.querySelector(".log-section");
    if (!found || !found.querySelector("[data-marked]")) return;
    // Keep the live region, so that screen readers do not lose its last message.
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
    enableCopying(document.getElementById("build-head"));
    document.title = page.title;
    if (final) showFailure(page);
  };

  follow.disabled = false;
  live.textContent = "Live.";
  follow.addEventListener("change", toEnd);
  events.addEventListener("open", () => { live.textContent = "Live."; });
  events.addEventListener("error", () => { live.textContent = "Reconnecting…"; });
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

// Update the page to a newer version of it. Only differences are changed, so that focus, selection, scroll position,
// input and unfolded parts stay. data-key identifies rows, data-local marks what only this script fills.
const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);

function update(shown, fresh) {
  if (shown.isEqualNode(fresh) || shown.dataset?.local !== undefined) return;
  if (shown.nodeType !== Node.ELEMENT_NODE) { shown.data = fresh.data; return; }
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && shown.nodeName === "DETAILS")) shown.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const wanted = new Set([...fresh.children].map(keyOf).filter(Boolean));
  const keyed = new Map([...shown.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let place = shown.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (place && keyOf(place) && !wanted.has(keyOf(place))) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
    const key = keyOf(child);
    const match = key ? keyed.get(key) : place && !keyOf(place) ? place : undefined;
    if (!match || match.nodeName !== child.nodeName) { shown.insertBefore(child, place); continue; }
    if (match === place) place = place.nextSibling; else shown.insertBefore(match, place);
    update(match, child);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function autoRefresh(main) {
  const shortest = Number(main.dataset.renewed) || 5, longest = 60;
  const line = document.getElementById("renewal");
  const label = document.createElement("label");
  const box = document.createElement("input");
  const state = document.createElement("span");
  box.type = "checkbox";
  box.checked = true;
  state.setAttribute("role", "status");
  label.append(box, " Refresh automatically");
  line.append(" ", label, " ", state);
  let seconds = shortest, timer, tag = "", asking = false;

  const later = () => { clearTimeout(timer); timer = setTimeout(ask, seconds * 1000); };
  const show = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.getElementById("main");
    if (!fresh) return;
    enableCopying(fresh);
    const focused = document.activeElement;
    update(main, document.adoptNode(fresh));
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    document.title = page.title;
  };
  async function ask() {
    if (asking || document.hidden || !box.checked) return;
    asking = true;
    try {
      const headers = { Accept: "text/html", ...(tag && { "If-None-Match": tag }) };
      const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (answer.redirected) { box.checked = false; state.textContent = "You are signed out."; return; }
      const known = answer.status === 304;
      if (answer.ok) { tag = answer.headers.get("ETag") ?? ""; show(await answer.text()); }
      // Poll less often while the page does not change or cannot be loaded.
      seconds = answer.ok && !known ? shortest : Math.min(seconds * 1.5, longest);
      state.textContent = answer.ok || known ? "" : "The page cannot be loaded at the moment.";
    } catch {
      seconds = longest;
      state.textContent = "The page cannot be loaded at the moment.";
    } finally {
      asking = false;
      later();
    }
  }
  box.addEventListener("change", () => { seconds = shortest; if (box.checked) ask(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { seconds = shortest; ask(); } });
  main.addEventListener("stale", () => { seconds = shortest; ask(); });
  later();
}

// Send each file by a request of its own, one after another, so that each has its progress and its own answer. The
// answer is the page of uploads: what it refused is taken from there, what was stored is in its list.
function enableUpload(form) {
  const input = form.querySelector("input[type=file]");
  const list = document.getElementById("sending");
  const said = document.getElementById("sent");
  const limit = Number(form.dataset.limit);
  const waiting = [];
  let sending = false;
  form.querySelector("[data-with-script]").hidden = false;
  form.querySelector("[data-without-script]").hidden = true;

  const show = (row, state) => { row.querySelector("[data-state]").textContent = state; };
  const refuse = (row, file, problem, again) => {
    row.className = "failure";
    row.querySelector("progress")?.remove();
    show(row, problem);
    said.textContent = `${file.name}: ${problem}`;
    if (!again) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.setAttribute("aria-label", `Try again to send ${file.name}`);
    button.addEventListener("click", () => { row.remove(); add([file]); });
    row.append(" ", button);
  };
  const take = (row, file, request) => {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const refused = page.querySelector("#refused li");
    if (refused) {
      row.replaceChildren(...document.adoptNode(refused).childNodes);
      row.className = "failure";
      said.textContent = `${file.name} is refused.`;
      return;
    }
    if (new URL(request.responseURL).pathname === "/sign-in") {
      refuse(row, file, "You are signed out. Sign in, and upload it again.");
    } else if (request.status !== 200) {
      const problem = page.querySelector(".problem")?.textContent;
      refuse(row, file, problem ?? `The service answered with ${request.status}.`, true);
    } else {
      row.remove();
      said.textContent = `${file.name} was received.`;
      document.getElementById("main").dispatchEvent(new Event("stale"));
    }
  };
  const send = ({ row, file }) => new Promise((done) => {
    const request = new XMLHttpRequest();
    const bar = row.querySelector("progress");
    const body = new FormData();
    for (const field of form.querySelectorAll("input[type=hidden], input:checked")) body.append(field.name, field.value);
    body.append("content", file);
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
    request.upload.addEventListener("load", () => show(row, "being checked"));
    request.addEventListener("load", () => take(row, file, request));
    request.addEventListener("error", () => refuse(row, file, "The connection was lost, or the file cannot be read.", true));
    request.addEventListener("loadend", done);
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    show(row, "being sent");
    request.send(body);
  });
  async function sendAll() {
    if (sending) return;
    sending = true;
    while (waiting.length) await send(waiting.shift());
    sending = false;
  }
  function add(files) {
    for (const file of files) {
      const row = document.createElement("li");
      const name = document.createElement("span");
      name.className = "file";
      name.textContent = file.name;
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", `How much of ${file.name} is sent`);
      const state = document.createElement("span");
      state.dataset.state = "";
      row.append(name, " ", bar, " ", state);
      list.append(row);
      if (file.size > limit) {
        refuse(row, file, `It has more than ${Math.floor(limit / 1048576)} MiB, which the operator allows at most.`);
        continue;
      }
      show(row, "waiting");
      waiting.push({ row, file });
    }
    sendAll();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add([...input.files]);
    input.value = "";
  });
  // A file that is dropped beside the form must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  form.addEventListener("dragover", () => form.classList.add("over"));
  form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) form.classList.remove("over"); });
  form.addEventListener("drop", (event) => {
    form.classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  window.addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });
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
const upload = document.getElementById("upload");
if (upload) enableUpload(upload);
const refreshed = document.querySelector("main[data-renewed]");
if (refreshed) autoRefresh(refreshed);
const box = document.querySelector(".log-box[data-events]");
if (box) followLog(box);
const marked = document.querySelector("[data-marked]");
// A link to a line in a folded stage unfolds the stage.
const unfold = () => {
  const line = /^#L\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
  const fold = line && line.closest("details");
  if (fold && !fold.open) { fold.open = true; line.scrollIntoView(); }
};
unfold();
window.addEventListener("hashchange", unfold);
if (marked && !location.hash) reveal(marked.closest(".log-box"), marked);
