/**
 * The socket on which the CNI plugin asks for a new pod's enrolment; the plugin fails the pod's start unless the answer
 * is 200, so that no pod of the mesh ever runs outside of it. Spec: data-plane contract 4.3.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { parseIp } from '@ambit/net';
import { toAmbitError } from '@ambit/runtime';

/** A pod whose sandbox the runtime is about to start. */
export interface NewPod {
  readonly namespace: string;
  readonly name: string;
  /** As the runtime knows it; empty when the plugin did not tell (Istio's does not). */
  readonly uid: string;
  readonly netnsPath: string;
  /** What the plugins before ours gave the pod; its status does not name them yet. Canonical texts, may be empty. */
  readonly addresses: readonly string[];
}

export interface CniPluginEvents {
  /** Resolves when the pod is where it belongs. */
  onNewPod(pod: NewPod): Promise<void>;
  onAnswer(code: number, durationMs: number): void;
}

const MAX_BODY_BYTES = 64 * 1024;

/** Listens on `<runDir>/pluginevent.sock`. */
export function serveCniPlugin(runDir: string, events: CniPluginEvents): Server {
  const path = join(runDir, 'pluginevent.sock');
  mkdirSync(runDir, { recursive: true });
  rmSync(path, { force: true });
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    const startMs = performance.now();
    void answer(request, events).then(({ code, text }) => {
      events.onAnswer(code, performance.now() - startMs);
      end(response, code, text);
    });
  });
  // The runtime is root. Who may write here tells which namespace a pod's keys are used in.
  server.listen(path, () => chmodSync(path, 0o600));
  return server;
}

async function answer(
  request: IncomingMessage,
  events: CniPluginEvents,
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
    await events.onNewPod(pod);
    return { code: 200, text: '' };
  } catch (cause) {
    return { code: 500, text: toAmbitError(cause).message };
  }
}

/** The body has the key case of Go's encoder. Addresses that cannot be read count as not told. */
export function readNewPod(body: unknown): NewPod | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const {
    Netns: netnsPath,
    PodName: name,
    PodNamespace: namespace,
    PodUID: uid,
    IPs: ips,
  }: { Netns?: unknown; PodName?: unknown; PodNamespace?: unknown; PodUID?: unknown; IPs?: unknown } = body;
  if (typeof netnsPath !== 'string' || typeof name !== 'string' || typeof namespace !== 'string') return undefined;
  if (netnsPath === '' || name === '' || namespace === '') return undefined;
  return { namespace, name, uid: typeof uid === 'string' ? uid : '', netnsPath, addresses: readAddresses(ips) };
}

function readAddresses(ips: unknown): readonly string[] {
  if (!Array.isArray(ips)) return [];
  return ips.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { Address: address }: { Address?: unknown } = entry;
    if (typeof address !== 'object' || address === null) return [];
    const { IP: text }: { IP?: unknown } = address;
    const parsed = typeof text === 'string' ? parseIp(text) : undefined;
    return parsed === undefined ? [] : [parsed.toString()];
  });
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
