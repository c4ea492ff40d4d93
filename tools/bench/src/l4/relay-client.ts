/** Starts the resync relay beside a lab that is coming up, and gives it commands. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Interface } from 'node:readline';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AmbitError, delay, mustRun } from '@ambit/runtime';

const RELAY = fileURLToPath(new URL('resync-relay.ts', import.meta.url));
/** The lab's address plan: what runs in the fabric. */
const FABRIC_ADDRESS = '10.254.0.1';

export class RelayClient implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #lines: Interface;
  readonly #folder: string;

  private constructor(child: ChildProcess, lines: Interface, folder: string) {
    this.#child = child;
    this.#lines = lines;
    this.#answers = lines[Symbol.asyncIterator]();
    this.#folder = folder;
  }

  /** Waits until the lab's CA has its key, then starts; resolves when the proxies can connect. */
  static async start(
    stateFolder: string,
    fabricNetns: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<RelayClient> {
    const needed = [
      `${stateFolder}/ca/ca-key.pem`,
      `${stateFolder}/ca/root-cert.pem`,
      `${stateFolder}/tokens/ztunnel.node1.jwt`,
      fabricNetns,
    ];
    while (!needed.every((file) => existsSync(file))) await delay(50, { signal });
    const folder = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
    await issueCertificate(stateFolder, folder);
    // Lowest priority: a control plane would not share the two cores with the load.
    const child = spawn(
      'nsenter',
      [`--net=${fabricNetns}`, 'nice', '-n', '19', process.execPath, RELAY, stateFolder, folder, FABRIC_ADDRESS],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const lines = createInterface({ input: child.stdout });
    const relay = new RelayClient(child, lines, folder);
    await relay.#expect('listening');
    return relay;
  }

  /** Makes the content of the next replacement. */
  async prepare(): Promise<void> {
    this.#child.stdin?.write('prepare\n');
    await this.#expect('prepared');
  }

  /** Sends it to every proxy. */
  async replace(): Promise<void> {
    this.#child.stdin?.write('replace\n');
    await this.#expect('replaced');
  }

  async #expect(word: string): Promise<void> {
    const { value, done } = await this.#answers.next();
    if (done || value !== word)
      throw new AmbitError(
        'BENCH_RELAY',
        `the resync relay said ${done ? 'nothing' : JSON.stringify(value)} instead of ${word}`,
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lines.close();
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The proxies trust the lab's root for their control plane, so the relay's certificate comes from the lab's CA key. */
async function issueCertificate(stateFolder: string, folder: string): Promise<void> {
  writeFileSync(`${folder}/extensions`, `subjectAltName=IP:${FABRIC_ADDRESS}\nextendedKeyUsage=serverAuth\n`);
  await mustRun([
    'openssl',
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    `${folder}/leaf.key`,
    '-out',
    `${folder}/leaf.csr`,
    '-subj',
    '/O=bench relay',
  ]);
  await mustRun([
    'openssl',
    'x509',
    '-req',
    '-in',
    `${folder}/leaf.csr`,
    '-CA',
    `${stateFolder}/ca/ca-cert.pem`,
    '-CAkey',
    `${stateFolder}/ca/ca-key.pem`,
    '-CAserial',
    `${folder}/serial`,
    '-CAcreateserial',
    '-out',
    `${folder}/leaf.pem`,
    '-days',
    '2',
    '-extfile',
    `${folder}/extensions`,
  ]);
}
