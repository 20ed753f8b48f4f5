/* Search without a server: browsers refuse a worker from a file, so its script runs in a hidden frame instead. */
(function () {
  "use strict";
  if (window.location.protocol !== "file:") return;
  function FrameWorker(url) {
    var self = this;
    var target = document.createDocumentFragment().appendChild(document.createElement("i"));
    var waiting = [];
    var home = new URL(url, document.baseURI);
    var frame = document.createElement("iframe");
    frame.hidden = true;
    frame.title = "search";
    frame.srcdoc = "<!doctype html><title>search</title>";
    this.addEventListener = target.addEventListener.bind(target);
    this.removeEventListener = target.removeEventListener.bind(target);
    this.dispatchEvent = target.dispatchEvent.bind(target);
    this.onmessage = null;
    target.addEventListener("message", function (event) { if (self.onmessage) self.onmessage(event); });
    this.postMessage = function (data) { waiting.push(data); };
    this.terminate = function () { frame.remove(); };
    frame.addEventListener("load", function () {
      var inside = frame.contentWindow;
      function load(address) {
        return new Promise(function (done, failed) {
          var script = inside.document.createElement("script");
          script.src = new URL(address, home).href;
          script.async = false;
          script.onload = done;
          script.onerror = failed;
          inside.document.head.appendChild(script);
        });
      }
      inside.importScripts = function () {
        return Promise.all(Array.prototype.map.call(arguments, load));
      };
      inside.postMessage = function (data) {
        target.dispatchEvent(new MessageEvent("message", { data: data }));
      };
      load(home.href).then(function () {
        self.postMessage = function (data) {
          inside.dispatchEvent(new inside.MessageEvent("message", { data: data }));
        };
        waiting.splice(0).forEach(self.postMessage);
      });
    }, { once: true });
    document.body.appendChild(frame);
  }
  window.Worker = FrameWorker;
})();
