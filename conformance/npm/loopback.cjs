// Loaded before a server that would listen on every interface of the machine: it gets loopback.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...more) {
  return listen.call(this, Number(port), "127.0.0.1", ...more);
};
