/**
 * Counts for many proxies (`limit-counter.ts MOST`): envoy.service.ratelimit.v3 over HTTP/2 without TLS on port 8080. Allows so many
 * requests in all, whatever they are counted under; a counter is never reset.
 */
import http2 from 'node:http2';

const most = Number(process.argv[2] ?? 1);
/** RateLimitResponse with `overall_code` only, and its gRPC prefix. */
const within = Buffer.of(0, 0, 0, 0, 2, 8, 1);
const over = Buffer.of(0, 0, 0, 0, 2, 8, 2);
let count = 0;

const server = http2.createServer();
server.on('stream', (stream: http2.ServerHttp2Stream) => {
  stream.on('error', () => stream.destroy());
  stream.on('end', () => {
    count += 1;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(count <= most ? within : over);
  });
  stream.resume();
});
server.listen({ port: 8080, host: '::' });
