/**
 * Takes and gives bytes. The first line says what is wanted:
 * - `give N`: N bytes of a known pattern are sent, then the end;
 * - `take`: everything up to the client's end of sending is read; only then the answer `<bytes> <crc32>` is sent, so that
 *   it arrives only over a connection that can be half closed.
 */
import { createServer, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';

const BLOCK = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31) & 0xff));

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  let head = Buffer.alloc(0);
  const onHead = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end < 0) return;
    socket.off('data', onHead);
    const [word, count] = head.subarray(0, end).toString().split(' ');
    if (word === 'give') give(socket, Number(count));
    else take(socket, head.subarray(end + 1));
  };
  socket.on('data', onHead);
}).listen({ port: 7000, host: '::', backlog: 1024 });

function give(socket: Socket, total: number): void {
  let left = total;
  const pump = (): void => {
    while (left > 0) {
      const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
      left -= block.length;
      if (!socket.write(block)) return void socket.once('drain', pump);
    }
    socket.end();
  };
  pump();
  socket.resume();
}

function take(socket: Socket, first: Buffer): void {
  let bytes = first.length;
  let sum = crc32(first);
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    sum = crc32(chunk, sum);
  });
  socket.on('end', () => socket.end(`${bytes} ${sum.toString(16)}\n`));
}
