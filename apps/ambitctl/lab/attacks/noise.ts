/**
 * Opens many connections to one port and behaves badly on each; prints what the other side made of it.
 * - `silent`: says nothing
 * - `half-tls`: the first half of a ClientHello, then nothing
 * - `garbage`: random bytes, then waits
 * - `http`: a plain HTTP request
 * - `reset`: garbage, then a reset at once
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { finish, nameOfError, readOrder } from './order.ts';

interface Order {
  readonly host: string;
  readonly port: number;
  readonly kind: 'silent' | 'half-tls' | 'garbage' | 'http' | 'reset';
  readonly connections: number;
  /** How long the other side is given to end them. */
  readonly patienceMs: number;
}

const GARBAGE_BYTES = 16_384;
/** Record of 512 bytes announced, a ClientHello's beginning, and no more. */
const HALF_HELLO = Buffer.concat([
  Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
  randomBytes(32),
]);

const order = await readOrder<Order>();
const findings = {
  opened: 0,
  refused: 0,
  closed: 0,
  /** Of them, within the first half of the patience. */
  closedSoon: 0,
  bytesBack: 0,
  firstBytes: '',
  errors: {} as Record<string, number>,
  firstCloseMs: 0,
  lastCloseMs: 0,
};
const startMs = performance.now();
let left = order.connections;

const sockets = Array.from({ length: order.connections }, () => misbehave());
setTimeout(() => {
  finish({ ...findings, stillOpen: findings.opened - findings.closed });
  for (const socket of sockets) socket.destroy();
}, order.patienceMs).unref();
setInterval(() => {
  if (left === 0) finish({ ...findings, stillOpen: 0 });
}, 20);

function misbehave(): Socket {
  const socket = connect({ host: order.host, port: order.port });
  let isOpen = false;
  socket.on('connect', () => {
    isOpen = true;
    findings.opened += 1;
    if (order.kind === 'half-tls') socket.write(HALF_HELLO);
    if (order.kind === 'garbage' || order.kind === 'reset') socket.write(randomBytes(GARBAGE_BYTES));
    if (order.kind === 'http') socket.write(`GET / HTTP/1.1\r\nhost: ${order.host}\r\nconnection: close\r\n\r\n`);
    if (order.kind === 'reset') socket.resetAndDestroy();
  });
  socket.on('data', (chunk: Buffer) => {
    findings.bytesBack += chunk.length;
    if (findings.firstBytes === '') findings.firstBytes = chunk.subarray(0, 60).toString('latin1');
  });
  socket.on('error', (error) => {
    const name = nameOfError(error);
    findings.errors[name] = (findings.errors[name] ?? 0) + 1;
  });
  socket.on('close', () => {
    left -= 1;
    if (!isOpen) findings.refused += 1;
    else findings.closed += 1;
    if (isOpen && performance.now() - startMs < order.patienceMs / 2) findings.closedSoon += 1;
    findings.lastCloseMs = Math.round(performance.now() - startMs);
    findings.firstCloseMs ||= findings.lastCloseMs;
  });
  return socket;
}
