import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { AddressInfo } from 'node:net';
import { negotiateCoding, negotiateContentType } from './content-negotiation.ts';
import { MetricRegistry, metricsHandler, observeProcess } from './index.ts';

test('OpenMetrics is served when Accept names it, plain text otherwise', () => {
  const open = 'application/openmetrics-text;charset=utf-8;version=1.0.0';
  const plain = 'text/plain; charset=utf-8';
  assert.equal(negotiateContentType(undefined), plain);
  assert.equal(negotiateContentType('text/plain;version=0.0.4;q=0.5,*/*;q=0.1'), plain);
  assert.equal(negotiateContentType('text/plain, Application/OpenMetrics-Text; version=1.0.0;q=0.1'), open);
});

test('the coding with the highest weight is chosen, zstd first among equals', () => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, 'identity'],
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip;q=1, br;q=0.5', 'gzip'],
    ['br;q=0', 'identity'],
    ['identity;q=0', undefined],
    ['*;q=0', undefined],
    ['snappy', 'identity'],
    ['*', 'zstd'],
    ['zstd;q=0, *', 'br'],
  ];
  for (const [header, expected] of cases) assert.equal(negotiateCoding(header), expected, String(header));
});

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: Buffer;
}

function ask(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('error', reject).end();
  });
}

test('both paths serve the metrics in each coding; other paths and methods are refused', async () => {
  const registry = new MetricRegistry();
  using _monitor = observeProcess(registry);
  registry
    .gauge({ name: 'istio_build', help: 'Build', labels: registry.labels(['component']) })
    .bind(['ztunnel'])
    .set(1);
  await using server = createServer(metricsHandler(registry));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const plain = await ask(port, '/metrics');
  assert.equal(plain.headers['content-type'], 'text/plain; charset=utf-8');
  assert.match(plain.body.toString(), /^istio_build\{component="ztunnel"\} 1$/m);
  assert.match(plain.body.toString(), /^process_open_fds \d+$/m);
  assert.match(plain.body.toString(), /# EOF\n$/);
  const decoders = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
  for (const [coding, decode] of Object.entries(decoders)) {
    const answer = await ask(port, '/stats/prometheus?x=1', { 'accept-encoding': coding });
    assert.equal(answer.headers['content-encoding'], coding);
    assert.match(decode(answer.body).toString(), /^istio_build/m);
  }
  assert.equal((await ask(port, '/')).status, 404);
  assert.equal((await ask(port, '/metrics', {}, 'POST')).status, 405);
  assert.equal((await ask(port, '/metrics', { 'accept-encoding': '*;q=0' })).status, 406);
  assert.equal((await ask(port, '/metrics', {}, 'HEAD')).body.length, 0);
});
