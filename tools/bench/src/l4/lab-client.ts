/** Drives a lab through its command line, as any user would; nothing of the app is imported. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AmbitError, mustRun } from '@ambit/runtime';
import { RelayClient } from './relay-client.ts';

const AMBITCTL = fileURLToPath(new URL('../../../../apps/ambitctl/src/main.ts', import.meta.url));
/** Where labs keep their state unless told otherwise; the benchmark always tells. */
const STATE_ROOT = '/run/ambit-bench';
const LAB_FILE = fileURLToPath(new URL('../../lab/bench.yaml', import.meta.url));

export interface LabProcess {
  readonly name: string;
  readonly pid: number;
}

export interface LabPod {
  readonly name: string;
  readonly netns: string;
  readonly addresses: readonly string[];
  readonly redirection?: string;
}

export interface LabNode {
  readonly name: string;
  readonly netns: string;
  readonly address: string;
}

interface LabRecord {
  readonly nodes: readonly LabNode[];
  readonly processes: readonly LabProcess[];
  readonly pods: readonly LabPod[];
}

export class LabClient implements AsyncDisposable {
  readonly name: string;
  readonly relay: RelayClient;
  readonly #record: LabRecord;

  private constructor(name: string, record: LabRecord, relay: RelayClient) {
    this.name = name;
    this.#record = record;
    this.relay = relay;
  }

  /**
   * Starts the bench lab under a name, with another ztunnel if one is named; resolves when its mesh pods are enrolled. The
   * stack takes the lab down, also when it was not up yet; disposing ends what drives it.
   */
  static async up(stack: AsyncDisposableStack, name: string, ztunnel?: string): Promise<LabClient> {
    const starting = new AbortController();
    stack.defer(() =>
      ambitctl(['lab', 'down', ...stateRoot(), '--name', name], 30_000).then(
        () => undefined,
        () => undefined,
      ),
    );
    // The proxies are ready only when they have heard from the relay, so it starts while the lab does.
    const relay = RelayClient.start(`${STATE_ROOT}/${name}`, `/run/netns/ambit-${name}-fabric`, {
      signal: starting.signal,
    });
    relay.catch(() => {});
    try {
      await ambitctl(
        [
          'lab',
          'up',
          ...stateRoot(),
          '--file',
          LAB_FILE,
          '--name',
          name,
          ...(ztunnel === undefined ? [] : ['--ztunnel', ztunnel]),
        ],
        120_000,
      );
      return new LabClient(name, await enrolledRecord(name), await relay);
    } catch (cause) {
      starting.abort(cause);
      await relay.then((started) => started[Symbol.asyncDispose]()).catch(() => {});
      throw cause;
    }
  }

  pod(name: string): LabPod {
    return found(this.#record.pods, name, `pod of lab ${this.name}`);
  }

  node(name: string): LabNode {
    return found(this.#record.nodes, name, `node of lab ${this.name}`);
  }

  /** Process ids of the two node proxies. */
  proxies(): readonly number[] {
    return ['ztunnel.node1', 'ztunnel.node2'].map(
      (name) => found(this.#record.processes, name, `process of lab ${this.name}`).pid,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]();
  }
}

function stateRoot(): readonly string[] {
  return ['--state-dir', STATE_ROOT];
}

async function enrolledRecord(name: string): Promise<LabRecord> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    const record = readRecord(
      await ambitctl(['lab', 'status', ...stateRoot(), '--name', name, '--output', 'json'], 20_000),
    );
    if (record.pods.filter((pod) => pod.name.startsWith('mesh/')).every((pod) => pod.redirection === 'enabled'))
      return record;
    if (performance.now() > deadlineMs)
      throw new AmbitError('BENCH_LAB', `the pods of lab ${name} were not enrolled within 30 s`);
  }
}

async function ambitctl(args: readonly string[], timeoutMs: number): Promise<string> {
  return await mustRun([process.execPath, AMBITCTL, ...args], { timeoutMs });
}

function readRecord(json: string): LabRecord {
  // Written by this repository's own command line.
  const record: LabRecord = JSON.parse(json);
  return record;
}

function found<T extends { readonly name: string }>(items: readonly T[], name: string, what: string): T {
  const item = items.find((candidate) => candidate.name === name);
  if (!item) throw new AmbitError('BENCH_LAB', `there is no ${what} called ${name}`);
  return item;
}

/** The commit and the machine, for the head of a report. */
export async function describeMachine(): Promise<string> {
  const model = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  const cores = (await mustRun(['nproc'])).trim();
  const kernel = (await mustRun(['uname', '-r'])).trim();
  const commit = (await mustRun(['git', 'rev-parse', '--short', 'HEAD'])).trim();
  return `${cores} cores, ${model}, Linux ${kernel}, commit ${commit}`;
}
