/**
 * Clients that cost a proxy more than themselves: slow ones, endless ones, ones that do not read. Prints how many connections opened
 * and closed, the statuses of answers, and how much went each way, after a time.
 */
import { connect, type Socket } from 'node:net';
import { finish, readOrder } from './order.ts';

interface Order {
  readonly kind: HeavyKind;
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
}

interface Heavy {
  /** What is sent at first. */
  readonly opening: string;
  /** Sent again and again. */
  readonly more?: string;
  /** `steady`: every 100 ms; `fast`: as often as the other side takes it. */
  readonly pace?: 'steady' | 'fast';
  /** Ends the repetition. */
  readonly repeats?: number;
  readonly closing?: string;
  readonly isDeaf?: boolean;
}

type HeavyKind = keyof typeof heavies;

const PACE_MS = 100;
const mebibyte = 'x'.repeat(1024 * 1024);
const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;

const heavies = {
  'slow-heads': { opening: 'GET /ok/slow HTTP/1.1\r\nHost: a\r\nX-Slow: ', more: 'y', pace: 'steady' },
  'slow-bodies': {
    opening: 'POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n',
    more: 'y',
    pace: 'steady',
  },
  'slow-readers': { opening: 'GET /big?bytes=50000000 HTTP/1.1\r\nHost: a\r\n\r\n', isDeaf: true },
  'endless-bodies': {
    opening: 'POST /deaf HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    more: chunk,
    pace: 'fast',
  },
  'oversize-body': {
    opening: `POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * mebibyte.length}\r\nConnection: close\r\n\r\n`,
    more: mebibyte,
    pace: 'fast',
    repeats: 64,
  },
  'many-headers': {
    opening: 'GET /ok/many HTTP/1.1\r\nHost: a\r\n',
    more: 'X-A: b\r\n'.repeat(1000),
    pace: 'fast',
    repeats: 100,
    closing: '\r\n',
  },
  'endless-head': { opening: 'GET /ok/endless HTTP/1.1\r\nHost: a\r\nX: ', more: mebibyte, pace: 'fast' },
  'endless-target': { opening: 'GET /ok/', more: mebibyte, pace: 'fast' },
  'endless-chunk-line': {
    opening: 'POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;',
    more: mebibyte,
    pace: 'fast',
  },
  'endless-trailers': {
    opening: 'POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ',
    more: mebibyte,
    pace: 'fast',
  },
  'deaf-pipeline': {
    opening: '',
    more: 'GET /big?bytes=100000 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100),
    pace: 'fast',
    isDeaf: true,
  },
} satisfies Record<string, Heavy>;

const order = await readOrder<Order>();
const heavy: Heavy = heavies[order.kind];
const result = {
  opened: 0,
  closed: 0,
  statuses: {} as Record<string, number>,
  sentBytes: 0,
  receivedBytes: 0,
  last: '',
};

function client(): void {
  const socket = connect({ host: order.host, port: order.port });
  let left = heavy.repeats ?? Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let head = '';
  socket.on('connect', () => {
    result.opened += 1;
    send(socket, heavy.opening);
    if (heavy.isDeaf === true) socket.pause();
    if (heavy.pace === 'steady') timer = setInterval(() => send(socket, heavy.more ?? ''), PACE_MS);
    if (heavy.pace === 'fast') pump();
  });
  socket.on('data', (bytes: Buffer) => {
    result.receivedBytes += bytes.length;
    result.last = bytes.toString('latin1').slice(-200);
    if (head.length < 12) head += bytes.toString('latin1', 0, 12);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(timer);
    result.closed += 1;
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
    if (status !== undefined) result.statuses[status] = (result.statuses[status] ?? 0) + 1;
    if (result.closed === order.connections) report();
  });
  function pump(): void {
    while (left > 0 && !socket.destroyed) {
      left -= 1;
      if (!send(socket, heavy.more ?? '')) return void socket.once('drain', pump);
    }
    if (heavy.closing !== undefined && !socket.destroyed) send(socket, heavy.closing);
  }
}

function send(socket: Socket, text: string): boolean {
  result.sentBytes += text.length;
  return socket.write(text, 'latin1');
}

function report(): void {
  finish(result);
}

for (let index = 0; index < order.connections; index += 1) client();
setTimeout(report, order.seconds * 1000);
