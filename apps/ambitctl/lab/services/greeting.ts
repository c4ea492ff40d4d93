/** Greets like MySQL before the client has said a word, then answers everything with an error packet, as to a stranger. */
import { createServer } from 'node:net';

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

function packet(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(sequence, 3);
  return Buffer.concat([header, payload]);
}

/** Handshake V10: version, thread, eight bytes of salt, capabilities, rest of the salt. */
const greeting = packet(
  0,
  Buffer.concat([
    Buffer.of(10),
    text('8.0.36-ambit-lab'),
    Buffer.of(1, 0, 0, 0),
    Buffer.from('saltsalt'),
    Buffer.of(0),
    Buffer.of(0xff, 0xf7, 0x21, 0x02, 0x00, 0xff, 0x81, 21),
    Buffer.alloc(10),
    text('saltsaltsalt'),
    text('mysql_native_password'),
  ]),
);
const refusal = packet(2, Buffer.concat([Buffer.of(0xff, 0x15, 0x04), Buffer.from('#28000Access denied')]));

createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(greeting);
  socket.once('data', () => socket.end(refusal));
}).listen({ port: 3306, host: '::', backlog: 1024 });
