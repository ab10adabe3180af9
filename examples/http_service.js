// A recommender that is a service of its own: what was read last, over HTTP, in Node without packages.
//
//     node examples/http_service.js 8000 &
//     newsreplay run --recommenders "circular,http://localhost:8000"

const http = require("node:http");

const latest = new Map(); // by publisher: articles by their last read, the newest last

function answer(message) {
  if (!latest.has(message.publisher) || message.type === "start") latest.set(message.publisher, new Map());
  const articles = latest.get(message.publisher);
  if (message.type === "read" || message.type === "history") {
    articles.delete(message.item);
    articles.set(message.item, message.time);
  }
  if (message.type !== "recommend") return {};
  const others = [...articles.keys()].reverse().filter((item) => item !== message.item);
  return { items: others.slice(0, message.k) };
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = JSON.stringify(answer(JSON.parse(Buffer.concat(pieces))));
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${server.address().port}`);
});
