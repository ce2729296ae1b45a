// Lets the search work when the site is opened from a folder. Browsers refuse to start a worker from a page at
// file://, so its script runs in a hidden frame of the page instead. Elsewhere nothing is changed.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.onmessage = null;
      this.onerror = null;
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.title = "Search";
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      // The script calls these two names, as in a worker: answers arrive later, and as copies.
      inner.postMessage = (data) => {
        const copy = structuredClone(data);
        setTimeout(() => this.onmessage?.({ data: copy }));
      };
      const script = inner.document.createElement("script");
      script.onload = () => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => inner.onmessage({ data }));
      };
      script.onerror = (event) => this.onerror?.(event);
      script.src = new URL(url, location);
      inner.document.head.append(script);
    }

    postMessage(data) {
      const inner = this.frame.contentWindow;
      const copy = inner.structuredClone(data);
      if (this.waiting) this.waiting.push(copy);
      else setTimeout(() => inner.onmessage({ data: copy }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
