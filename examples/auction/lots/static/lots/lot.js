// One lot as it happens: the browser's own EventSource, nothing else. docs/protocol.md has the events.

const form = document.getElementById("bid");
const topic = form.dataset.topic;
const show = (id, text) => { document.getElementById(id).textContent = text; };

let lot = { lot: { start: 0, is_closed: false }, bids: [], call: "" };

function draw() {
  const highest = lot.bids[0];
  show("price", highest ? `${highest.amount} € – ${highest.bidder}` : `from ${lot.lot.start} €`);
  show("call", lot.lot.is_closed ? "Sold!" : lot.call);
  document.getElementById("bids").replaceChildren(...lot.bids.map((bid) => {
    const item = document.createElement("li");
    item.textContent = `${bid.amount} € – ${bid.bidder}`;
    return item;
  }));
}

// The snapshot replaces all that was known; null: nothing was missed, or what was missed follows.
function start(snapshot) {
  if (snapshot === null) return;
  lot = snapshot;
  showStars(snapshot.stars);
  showViewers(snapshot.viewers);
  draw();
}

const showStars = ({ total }) => show("stars", `${total} starred it`);
const showViewers = ({ count }) => show("watching", `${count} watching`);

const source = new EventSource(`/events?topic=${encodeURIComponent(topic)}`);
const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
on("hello", ({ topics }) => start(topics[topic].snapshot));
on("reset", ({ snapshot }) => start(snapshot));
on("bid", ({ bid }) => { lot.bids = [bid, ...lot.bids].slice(0, 10); draw(); });
on("closed", () => { lot.lot.is_closed = true; draw(); });
on("call", ({ call }) => { lot.call = call; draw(); });
on("stars", showStars);
on("viewers", showViewers);

async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  show("refused", answer.ok ? "" : (await answer.json()).detail);
}

if (form.elements.amount) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post("bids", { amount: form.elements.amount.valueAsNumber });
  });
  document.getElementById("star").addEventListener("click", () => post("star", {}));
}
