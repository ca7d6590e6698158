// Keeps a page as it would be if it were asked for now: on each new block its parts marked `data-live` are asked for
// again and put in place. The page is made by the node alone.

const GAP_MS = 1_000;
const IDLE_MS = 10_000;
const RETRY_MS = 5_000;

const regions = () => document.querySelectorAll('[data-live]');
const clock = { ahead_ms: 0 };
const served = new Map();
let timer = null;
let last = 0;
let paused = false;
let source = null;

function synchronise(body) {
  clock.ahead_ms = Number(body.dataset.now) - Date.now();
  document.body.dataset.tip = body.dataset.tip;
}

// A length of time as the node writes it.
function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1_000));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor(s / 3_600) % 24} h`;
}

function age() {
  if (paused || document.hidden) return;
  const now = Date.now() + clock.ahead_ms;
  document.querySelectorAll('[data-age]').forEach((time) => {
    const text = `${span(now - Number(time.dataset.age))} ago`;
    if (time.textContent !== text) time.textContent = text;
  });
}

// Puts a region's new content in place, and the focus back to where it was.
function replace(region, fresh) {
  const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  region.replaceChildren(...fresh.cloneNode(true).childNodes);
  if (focused) region.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

async function refresh() {
  timer = null;
  if (paused || document.hidden) return;
  last = Date.now();
  try {
    const answer = await fetch(window.location.href, { headers: { accept: 'text/html' } });
    // A refusal for now is no new page.
    if (answer.status === 429 || answer.status >= 500) return;
    const text = await answer.text();
    // Meanwhile the reader may have asked for peace.
    if (paused) return;
    const page = new DOMParser().parseFromString(text, 'text/html');
    regions().forEach((region) => {
      const fresh = page.getElementById(region.id);
      if (!fresh || served.get(region.id) === fresh.innerHTML) return;
      served.set(region.id, fresh.innerHTML);
      replace(region, fresh);
    });
    synchronise(page.body);
    document.dispatchEvent(new Event('refreshed'));
  } catch {
    // The stream says that the node is away, and that it is back.
  }
}

function soon() {
  if (timer === null) timer = setTimeout(refresh, Math.max(0, last + GAP_MS - Date.now()));
}

function say(text, state) {
  const place = document.getElementById('live');
  place.firstChild.textContent = text;
  place.dataset.state = state;
}

function reorganised({ data }) {
  const { fork_height: height, disconnected } = JSON.parse(data);
  const blocks = disconnected === 1 ? '1 block' : `${disconnected} blocks`;
  document.getElementById('notice').textContent =
    `The chain was reorganised: ${blocks} above block ${height} left it for a heavier branch.`;
  soon();
}

// Browsers keep few connections to one node for all their windows: a page that nobody sees holds none.
function connect() {
  if (source || document.hidden) return;
  source = new EventSource('/v1/events');
  source.addEventListener('open', () => say('Live: new blocks show by themselves. ', 'live'));
  source.addEventListener('head', ({ data }) => {
    if (JSON.parse(data).hash !== document.body.dataset.tip) soon();
  });
  source.addEventListener('reset', soon);
  source.addEventListener('reorganisation', reorganised);
  source.addEventListener('error', () => {
    say('Not live: the node does not answer. ', 'away');
    // Refused: the browser would not try again.
    if (source?.readyState === EventSource.CLOSED) {
      leave();
      setTimeout(connect, RETRY_MS);
    }
  });
}

function leave() {
  source?.close();
  source = null;
}

function button() {
  const pause = document.createElement('button');
  pause.type = 'button';
  pause.textContent = 'Pause updates';
  pause.setAttribute('aria-pressed', 'false');
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    if (!paused) soon();
  });
  return pause;
}

export function live() {
  synchronise(document.body);
  // That the node is behind is a reason only while it is said.
  const isBehind = document.getElementById('behind').childElementCount > 0;
  if (!isBehind && document.querySelector('main [data-live]') === null) return;
  regions().forEach((region) => served.set(region.id, region.innerHTML));
  const place = document.getElementById('live');
  place.replaceChildren(document.createTextNode(''), button());
  setInterval(age, 1_000);
  // What no event tells, such as a transaction that begins to wait.
  setInterval(soon, IDLE_MS);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      leave();
    } else {
      connect();
      soon();
    }
  });
  window.addEventListener('pagehide', leave);
  connect();
}
