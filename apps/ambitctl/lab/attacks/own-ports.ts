/** Says a line of HTTP to each of some ports at each of some addresses; prints what each made of it. */
import { connect } from 'node:net';
import { finish, readOrder } from './order.ts';

interface Order {
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly patienceMs: number;
}

/** `alert` is a TLS alert, which says no more than that the words were not understood. */
type Answer = 'refused' | 'closed' | 'alert' | 'answered' | 'left open';

const TLS_ALERT = 0x15;
const order = await readOrder<Order>();
const found: { host: string; port: number; answer: Answer }[] = [];
await Promise.all(
  order.hosts.flatMap((host) =>
    order.ports.map(async (port) => found.push({ host, port, answer: await say(host, port) })),
  ),
);
finish(found);

function say(host: string, port: number): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let first: number | undefined;
    let isOpen = false;
    socket.setTimeout(order.patienceMs, () => {
      resolve('left open');
      socket.destroy();
    });
    socket.on('connect', () => {
      isOpen = true;
      socket.write('GET / HTTP/1.1\r\nhost: mesh\r\nconnection: close\r\n\r\n');
    });
    socket.on('data', (chunk: Buffer) => {
      first ??= chunk[0];
    });
    socket.on('error', () => {});
    socket.on('close', () =>
      resolve(!isOpen ? 'refused' : first === undefined ? 'closed' : first === TLS_ALERT ? 'alert' : 'answered'),
    );
  });
}
