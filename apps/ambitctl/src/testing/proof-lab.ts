/** A lab for proofs about the waypoint: a namespace behind one, backends that tell what they got, callers of several accounts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attack } from '../demo/observe/attack.ts';
import { Lab } from '../lab/lab.ts';

const labFolder = fileURLToPath(new URL('../../lab/', import.meta.url));

export interface RawRequest {
  readonly host: string;
  readonly port: number;
  /** Latin-1. */
  readonly text: string;
  readonly isHalfClosed?: boolean;
}

export interface RawAnswer {
  /** Latin-1; at most 64 KiB. */
  readonly text: string;
  readonly ending: string;
}

const node = (name: string): string => `apiVersion: v1\nkind: Node\nmetadata: { name: ${name} }\n`;

const ambient = (name: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { istio.io/dataplane-mode: ambient } }\n`;

/** A pod with a program of the lab's, or one that sleeps; its account has the namespace and a name of its own. */
export function podManifest(namespace: string, name: string, app: string, command?: string): string {
  const readiness = command === undefined ? '' : '      readinessProbe: { tcpSocket: { port: 8080 } }\n';
  return `apiVersion: v1
kind: ServiceAccount
metadata: { namespace: ${namespace}, name: ${name} }
---
apiVersion: v1
kind: Pod
metadata: { namespace: ${namespace}, name: ${name}, labels: { app: ${app} } }
spec:
  nodeName: ${command === undefined ? 'node1' : 'node2'}
  serviceAccountName: ${name}
  containers:
    - name: main
      command: ${command ?? '[sleep, infinity]'}
${readiness}`;
}

export class ProofLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly #stateRoot: string;

  private constructor(lab: Lab, stateRoot: string) {
    this.lab = lab;
    this.#stateRoot = stateRoot;
  }

  /** `letter` tells labs of one process apart. Callers sleep in pods of the namespaces, by `namespace/account`. */
  static async open(letter: string, callers: readonly string[]): Promise<ProofLab> {
    const stateRoot = mkdtempSync(join(tmpdir(), 'ambt-proof-'));
    const description = {
      name: `t${letter}${process.pid}`,
      nodes: ['node1', 'node2'].map((name, index) => ({ name, number: index + 1, labels: {} })),
      manifestDirs: [],
      directory: labFolder,
      settings: {},
      ztunnelPrograms: {},
    };
    try {
      const lab = await Lab.up({ description, stateRoot, searchPath: process.env['PATH'] ?? '' });
      const proof = new ProofLab(lab, stateRoot);
      const places = callers.map((caller) => caller.split('/'));
      const namespaces = [...new Set(places.map(([namespace = '']) => namespace))].filter((name) => name !== 'proof');
      lab.manifests.put(
        'callers.yaml',
        [
          ...['node1', 'node2'].map(node),
          ...namespaces.map(ambient),
          ...places.map(([namespace = '', name = '']) => podManifest(namespace, name, name)),
        ].join('---\n'),
      );
      return proof;
    } catch (error) {
      rmSync(stateRoot, { recursive: true, force: true });
      throw error;
    }
  }

  /** Sends bytes from a pod, as many connections at a time as it says. */
  send(
    pod: string,
    requests: readonly RawRequest[],
    concurrency = 8,
    patienceMs = 5000,
  ): Promise<readonly RawAnswer[]> {
    return attack<readonly RawAnswer[]>(this.lab, pod, 'raw-requests.ts', { requests, concurrency, patienceMs });
  }

  /** Resolves when the pods of the manifests run and those of callers are in the mesh. */
  async settled(callers: readonly string[], pods: readonly string[]): Promise<void> {
    await this.lab.waitFor(
      `${[...callers, ...pods].join(', ')}`,
      () => {
        const ready = new Set(this.lab.pods().flatMap(({ key, isReady }) => (isReady ? [key] : [])));
        return (
          [...callers, ...pods].every((key) => ready.has(key)) &&
          callers.every((key) => this.lab.redirection(key) === 'enabled')
        );
      },
      { timeoutMs: 60_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.down();
    rmSync(this.#stateRoot, { recursive: true, force: true });
  }
}

/** Status, fields by lower-case name, and body (chunks joined) of the first answer in a text; undefined if there is none. */
export function readAnswer(
  text: string,
): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...fields] = text.slice(0, Math.max(0, end)).split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1];
  if (status === undefined) return undefined;
  const headers = Object.fromEntries(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
  const rest = text.slice(end + 4);
  return { status: Number(status), headers, body: headers['transfer-encoding'] === 'chunked' ? joined(rest) : rest };
}

function joined(chunks: string): string {
  let body = '';
  for (let at = 0; at < chunks.length;) {
    const end = chunks.indexOf('\r\n', at);
    const size = Number.parseInt(chunks.slice(at, end), 16);
    if (!(size > 0)) break;
    body += chunks.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
  return body;
}
