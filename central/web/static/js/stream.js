// The event stream: reconnects by itself, and says so when it has been silent for too long.
const SILENT_MS = 12000, RETRY_MS = 2000;

/** Open /events; `handlers` by event name, `onState` gets true or false. */
export function openStream(handlers, onState) {
  let source = null, last_ms = Date.now(), isUp = false;
  const setState = (up) => { if (up !== isUp) { isUp = up; onState(up); } };
  const seen = () => { last_ms = Date.now(); setState(true); };
  function connect() {
    source?.close();
    last_ms = Date.now();
    source = new EventSource('/events');
    source.addEventListener('heartbeat', seen);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => { seen(); handle(JSON.parse(event.data)); });
    }
    source.onerror = () => {
      setState(false);
      // The browser gives up for good after a refusal (server restarting, log-in ended): try again ourselves.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    };
  }
  setInterval(() => { if (Date.now() - last_ms > SILENT_MS) { setState(false); connect(); } }, 1000);
  addEventListener('pagehide', () => source?.close());
  connect();
}
