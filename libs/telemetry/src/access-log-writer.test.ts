import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { mkdtempDisposableSync, writeFileSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AccessLogEntry, type AccessLogOptions, AccessLogWriter, descriptorSink } from './index.ts';

const WALL_TIME_MS = Date.UTC(2026, 10, 21, 10, 20, 30) + 123.456;

function collect(options: Partial<AccessLogOptions> = {}): { writer: AccessLogWriter; text: () => string } {
  const chunks: Buffer[] = [];
  const writer = new AccessLogWriter({
    format: 'text',
    sink: (bytes, offset, length) => {
      chunks.push(Buffer.from(bytes.subarray(offset, offset + length)));
      return length;
    },
    wallTimeMs: () => WALL_TIME_MS,
    ...options,
  });
  return {
    writer,
    text: () => {
      writer.flush();
      return Buffer.concat(chunks).toString();
    },
  };
}

const FULL: AccessLogEntry = {
  sourceAddress: { address: '10.244.1.5', port: 41234 },
  sourceWorkload: 'client-0',
  sourceNamespace: 'demo',
  sourceIdentity: 'spiffe://cluster.local/ns/demo/sa/client',
  sourceCluster: 'Kubernetes',
  destinationAddress: { address: 'fd00::7', port: 15008 },
  hboneAddress: '10.244.2.7:8080',
  destinationService: 'server.demo.svc.cluster.local',
  destinationWorkload: 'server-0',
  destinationNamespace: 'demo',
  destinationIdentity: 'spiffe://cluster.local/ns/demo/sa/server',
  destinationCluster: 'Kubernetes',
  direction: 'outbound',
  bytesSent: 84,
  bytesReceived: 1_234_567,
  durationMs: 12.9,
};

test('the text line has the keys of ztunnel in their order, addresses bare, strings quoted', () => {
  const { writer, text } = collect();
  writer.complete(FULL);
  assert.equal(
    text(),
    '2026-11-21T10:20:30.123456Z\tinfo\taccess\tconnection complete\t' +
      'src.addr=10.244.1.5:41234 src.workload="client-0" src.namespace="demo" ' +
      'src.identity="spiffe://cluster.local/ns/demo/sa/client" src.cluster="Kubernetes" ' +
      'dst.addr=[fd00::7]:15008 dst.hbone_addr=10.244.2.7:8080 dst.service="server.demo.svc.cluster.local" ' +
      'dst.workload="server-0" dst.namespace="demo" dst.identity="spiffe://cluster.local/ns/demo/sa/server" ' +
      'dst.cluster="Kubernetes" direction="outbound" bytes_sent=84 bytes_recv=1234567 duration="12ms"\n',
  );
});

test('the JSON line has level, time, scope, message, then the same keys', () => {
  const { writer, text } = collect({ format: 'json' });
  writer.complete({ ...FULL, error: 'connection closed due to policy rejection: "deny"' });
  const line = text();
  assert.ok(
    line.startsWith(
      '{"level":"error","time":"2026-11-21T10:20:30.123456Z","scope":"access","message":"connection complete","src.addr":"10.244.1.5:41234",',
    ),
  );
  const parsed = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(Object.keys(parsed).slice(-5), ['direction', 'bytes_sent', 'bytes_recv', 'duration', 'error']);
  assert.equal(parsed['bytes_recv'], 1_234_567);
  assert.equal(parsed['dst.addr'], '[fd00::7]:15008');
  assert.equal(parsed['error'], 'connection closed due to policy rejection: "deny"');
});

test('an early denial names only the addresses, the direction and the error', () => {
  const { writer, text } = collect();
  writer.denied({ address: '1.2.3.4', port: 5 }, { address: '6.7.8.9', port: 15008 }, 'inbound', 'ip mismatch: a != b');
  assert.equal(
    text(),
    '2026-11-21T10:20:30.123456Z\twarn\taccess\tconnection failed\t' +
      'src.addr=1.2.3.4:5 dst.addr=6.7.8.9:15008 direction="inbound" error="ip mismatch: a != b"\n',
  );
});

test('the level decides which lines are written', () => {
  const { writer, text } = collect({ level: 'error' });
  writer.opened(FULL);
  writer.complete(FULL);
  assert.equal(text(), '');
  writer.level = 'debug';
  writer.opened(FULL);
  assert.match(text(), /\tdebug\taccess\tconnection opened\tsrc\.addr=.* direction="outbound"\n$/);
});

test('whatever text a peer puts in, a JSON line stays one line that parses back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
      const { writer, text } = collect({ format: 'json' });
      writer.complete({ ...FULL, hboneAddress: value, error: value });
      const line = text();
      assert.equal(line.indexOf('\n'), line.length - 1);
      const parsed = JSON.parse(line) as Record<string, unknown>;
      assert.equal(parsed['error'], value.toWellFormed());
      assert.equal(parsed['dst.hbone_addr'], value.toWellFormed());
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('whatever text a peer puts in, a text line stays one line and cannot forge a field', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
      const { writer, text } = collect();
      writer.complete({ ...FULL, hboneAddress: `${value} src.identity=x`, error: value });
      const line = text();
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.equal(line.split('\t').length, 5);
      assert.match(line, /dst\.hbone_addr="/);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('a sink that takes nothing costs lines, not memory, and the lines kept stay whole', () => {
  let isOpen = false;
  const taken: Buffer[] = [];
  const { writer } = collect({
    capacityBytes: 1000,
    sink: (bytes, offset, length) => {
      if (!isOpen) return -11;
      const count = Math.min(length, 7);
      taken.push(Buffer.from(bytes.subarray(offset, offset + count)));
      return count;
    },
  });
  for (let index = 0; index < 50; index += 1) writer.complete({ ...FULL, bytesSent: index });
  assert.ok(writer.pendingBytes <= 1000);
  assert.ok(writer.dropped >= 40 && writer.dropped < 50);
  isOpen = true;
  writer.flush();
  const lines = Buffer.concat(taken).toString().split('\n');
  assert.equal(lines.length - 1, 50 - writer.dropped);
  assert.ok(lines.slice(0, -1).every((line) => line.startsWith('2026') && line.endsWith('duration="12ms"')));
});

test('writes are cut at line ends to the size that a shared pipe keeps whole', () => {
  const sizes: number[] = [];
  const { writer } = collect({
    maxWriteBytes: 1000,
    sink: (bytes, offset, length) => {
      assert.equal(bytes[offset + length - 1], 0x0a);
      sizes.push(length);
      return length;
    },
  });
  for (let index = 0; index < 20; index += 1) writer.complete(FULL);
  writer.flush();
  assert.ok(sizes.length >= 10 && sizes.every((size) => size <= 1000));
});

test('a pipe that nobody reads does not block the writer, and its own mode stays as it was', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-log-'));
  const path = join(folder.path, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const blocking = openSync(path, constants.O_WRONLY);
  const { sink, maxWriteBytes } = descriptorSink(blocking);
  assert.equal(maxWriteBytes, 4096);
  const block = new Uint8Array(4096).fill(0x61);
  let writes = 0;
  while (sink(block, 0, block.length) > 0) writes += 1;
  assert.ok(writes >= 1 && writes < 1000);
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${blocking}`, 'utf8'))?.[1];
  assert.equal(Number.parseInt(flags ?? '', 8) & constants.O_NONBLOCK, 0);
  assert.equal(readSync(reader, block), 4096);
  closeSync(reader);
  closeSync(blocking);
});

test('a file takes a whole batch in one write', () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-log-'));
  const path = join(folder.path, 'access.log');
  writeFileSync(path, '');
  const fd = openSync(path, 'a');
  const writer = new AccessLogWriter({ format: 'json', ...descriptorSink(fd) });
  for (let index = 0; index < 100; index += 1) writer.complete({ ...FULL, bytesSent: index });
  writer.event('warn', 'proxy::inbound', 'handshake failed', [
    ['peer', '10.0.0.1'],
    ['count', 3],
  ]);
  writer.flush();
  closeSync(fd);
  const lines = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(lines.length, 101);
  assert.deepEqual(lines.at(-1)?.['count'], 3);
  assert.deepEqual(lines.at(-1)?.['scope'], 'proxy::inbound');
});
