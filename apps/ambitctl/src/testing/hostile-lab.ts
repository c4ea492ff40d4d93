/**
 * Two witnesses behind a waypoint, Node and nginx: what they read of what was sent, and what the waypoint's process holds. Whoever is
 * to be exhausted is a third service, `victim`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProofLab, podManifest, type RawAnswer, readAnswer } from './proof-lab.ts';

const MIB = 1024 * 1024;
export const attacker = 'proof/attacker';
const innocent = 'proof/innocent';
const callers: readonly string[] = [attacker, innocent];
export const witnesses: readonly string[] = ['node', 'nginx'];
const waypoint = 'proof/waypoint-waypoint';

/** What a witness read since it was asked to forget. */
export interface Witnessed {
  /** Method and target. */
  readonly requests: readonly string[];
  /** What it could not read as a request. */
  readonly unreadable: readonly string[];
}

/** A pod's program is below what encloses it: the last one of a chain of only children. */
function programBelow(pid: number): number {
  const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid);
  const [child] = children;
  return child === undefined ? pid : programBelow(Number(child));
}

/** Resident; not a number once the process has ended. */
function memoryMib(pid: number): number {
  try {
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / MIB;
  } catch {
    return Number.NaN;
  }
}

/** Undefined for a process that has ended. */
function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: { namespace: proof, name: ${name}, labels: { istio.io/use-waypoint: waypoint } }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;

const manifest = [
  'apiVersion: v1\nkind: Namespace\nmetadata: { name: proof, labels: { istio.io/dataplane-mode: ambient } }\n',
  `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: proof, name: waypoint }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`,
  podManifest('proof', 'node', 'node', "['$(NODE)', '$(LAB_DIR)/services/witness.ts']"),
  podManifest('proof', 'victim', 'victim', "['$(NODE)', '$(LAB_DIR)/services/witness.ts']"),
  podManifest('proof', 'nginx', 'nginx', '[nginx, -p, $(POD_DIR)/, -c, $(LAB_DIR)/services/nginx-witness.conf]'),
  ...[...witnesses, 'victim'].map(service),
].join('---\n');

export class HostileLab implements AsyncDisposable {
  readonly proof: ProofLab;
  #nginxLines = 0;

  private constructor(proof: ProofLab) {
    this.proof = proof;
  }

  static async open(letter: string): Promise<HostileLab> {
    const proof = await ProofLab.open(letter, callers);
    const hostile = new HostileLab(proof);
    try {
      proof.lab.manifests.put('hostile.yaml', manifest);
      await proof.settled(callers, ['proof/node', 'proof/nginx', 'proof/victim', waypoint]);
      for (const witness of witnesses) {
        await proof.lab.waitFor(`${witness} to be reached through the waypoint`, async () => {
          const [answer] = await hostile.#innocent(witness, 1);
          return readAnswer(answer?.text ?? '')?.headers['server'] === 'istio-envoy';
        });
      }
      return hostile;
    } catch (error) {
      await proof[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The waypoint's process, by its number: another one means that it did not survive. */
  get waypointPid(): number {
    const [pid = 0] = this.proof.lab.pod(waypoint).pids;
    return programBelow(pid);
  }

  /** Makes the witnesses forget what they read. */
  async forget(): Promise<void> {
    await this.#local('node', '/forget');
    this.#nginxLines = this.#nginxLog().length;
  }

  async witnessed(witness: string): Promise<Witnessed> {
    if (witness === 'node') {
      const seen: Witnessed = JSON.parse(await this.#local('node', '/seen'));
      return seen;
    }
    const lines = this.#nginxLog().slice(this.#nginxLines);
    const isUnreadable = (line: string): boolean => line.startsWith('400 ');
    return {
      requests: lines.filter((line) => !isUnreadable(line)).map((line) => line.slice('200 '.length)),
      unreadable: lines.filter(isUnreadable),
    };
  }

  /** Requests of somebody else, each answered with its own path? Texts of those that were not. */
  async misled(witness: string, count: number): Promise<readonly string[]> {
    const answers = await this.#innocent(witness, count);
    return answers.flatMap(({ text, ending }, index) => {
      const answer = readAnswer(text);
      return answer?.status === 200 && answer.body === `GET /innocent/${index}\n`
        ? []
        : [`${index}: ${ending} ${text}`];
    });
  }

  /**
   * Runs an attack while somebody else asks now and then and the memory of the waypoint is looked at. `slowestMs`: the longest
   * that somebody else waited.
   */
  async during<T>(run: () => Promise<T>): Promise<{
    readonly result: T;
    readonly growthMib: number;
    readonly peakMib: number;
    readonly misled: readonly string[];
    readonly slowestMs: number;
  }> {
    const pid = this.waypointPid;
    const before = memoryMib(pid);
    let peak = before;
    const sampler = setInterval(() => {
      peak = Math.max(peak, memoryMib(pid));
    }, 50);
    let isOver = false;
    const misled: string[] = [];
    let slowestMs = 0;
    const asking = (async (): Promise<void> => {
      while (!isOver) {
        const startMs = performance.now();
        misled.push(...(await this.misled('node', 1)));
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
      }
    })();
    try {
      const result = await run();
      isOver = true;
      await asking;
      return { result, growthMib: peak - before, peakMib: peak, misled, slowestMs };
    } finally {
      isOver = true;
      clearInterval(sampler);
    }
  }

  #innocent(witness: string, count: number): Promise<readonly RawAnswer[]> {
    return this.proof.send(
      innocent,
      Array.from({ length: count }, (_, index) => ({
        host: `${witness}.proof.svc.cluster.local`,
        port: 80,
        text: `GET /innocent/${index} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
      })),
    );
  }

  async #local(pod: string, path: string): Promise<string> {
    const { stdout } = await this.proof.lab.exec(`proof/${pod}`, [
      'curl',
      '-sS',
      '-m',
      '10',
      `http://127.0.0.1:8080${path}`,
    ]);
    return stdout;
  }

  #nginxLog(): readonly string[] {
    const text = readFileSync(join(this.proof.lab.paths.pod('proof', 'nginx'), 'seen.log'), 'utf8');
    return text.split('\n').filter((line) => line !== '');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.proof[Symbol.asyncDispose]();
  }
}
