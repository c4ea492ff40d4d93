/**
 * The socket on which the CNI plugin asks for a new pod's enrolment; the plugin fails the pod's start unless the answer
 * is 200, so that no pod of the mesh ever runs outside of it. Spec: data-plane contract 4.3.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { toAmbitError } from '@ambit/runtime';

export interface NewPod {
  readonly namespace: string;
  readonly name: string;
  readonly netnsPath: string;
}

const MAX_BODY_BYTES = 64 * 1024;

/** Listens on `<runDir>/pluginevent.sock`. `onNewPod` resolves when the pod is where it belongs. */
export function serveCniPlugin(
  runDir: string,
  onNewPod: (pod: NewPod) => Promise<void>,
  onAnswer: (code: number) => void,
): Server {
  const path = join(runDir, 'pluginevent.sock');
  mkdirSync(runDir, { recursive: true });
  rmSync(path, { force: true });
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    void answer(request, onNewPod).then(({ code, text }) => {
      onAnswer(code);
      end(response, code, text);
    });
  });
  server.listen(path, () => chmodSync(path, 0o666));
  return server;
}

async function answer(
  request: IncomingMessage,
  onNewPod: (pod: NewPod) => Promise<void>,
): Promise<{ readonly code: number; readonly text: string }> {
  if (request.method !== 'POST' || request.url !== '/cmdadd') return { code: 404, text: 'not found' };
  let pod: NewPod | undefined;
  try {
    pod = readNewPod(JSON.parse(await readBody(request)));
  } catch {
    pod = undefined;
  }
  if (!pod) return { code: 400, text: 'expected Netns, PodName and PodNamespace' };
  try {
    await onNewPod(pod);
    return { code: 200, text: '' };
  } catch (cause) {
    return { code: 500, text: toAmbitError(cause).message };
  }
}

/** The body has the key case of Go's encoder. `IPs` is not needed: the pod's status names them. */
export function readNewPod(body: unknown): NewPod | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const {
    Netns: netnsPath,
    PodName: name,
    PodNamespace: namespace,
  }: { Netns?: unknown; PodName?: unknown; PodNamespace?: unknown } = body;
  if (typeof netnsPath !== 'string' || typeof name !== 'string' || typeof namespace !== 'string') return undefined;
  return netnsPath === '' || name === '' || namespace === '' ? undefined : { namespace, name, netnsPath };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error('too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function end(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'content-type': 'text/plain' });
  response.end(text);
}
