/**
 * An outside server that wants to know who calls (`tls-echo.ts FOLDER`): HTTPS on port 8080 with cert.pem, key.pem and ca.pem of the
 * folder; answers with the server name and the client's certificate that it saw.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

const folder = process.argv[2] ?? '.';
const read = (name: string): Buffer => readFileSync(join(folder, name));

createServer(
  { cert: read('cert.pem'), key: read('key.pem'), ca: read('ca.pem'), requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) return;
    const client = socket.getPeerCertificate().subjectaltname ?? '';
    response.end(JSON.stringify({ serverName: socket.servername, client, isTrusted: socket.authorized }));
  },
).listen({ port: 8080, host: '::' });
