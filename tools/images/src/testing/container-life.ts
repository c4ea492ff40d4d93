/** What tests want to know of a container beyond what Testcontainers tells: how it ends, and how much memory it takes. */
import { readFileSync } from 'node:fs';
import { getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';

/** The end of a container. */
export interface ContainerEnd {
  readonly code: number;
  readonly output: string;
  readonly tookMs: number;
}

export type Signal = 'SIGTERM' | 'SIGKILL';

export interface RunOptions {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly networkMode?: string;
  readonly user?: string;
  /** `host:container`, read-only. */
  readonly binds?: readonly string[];
  readonly capabilities?: readonly string[];
}

/** Runs a container until it ends by itself, and removes it. */
export async function runToEnd(options: RunOptions): Promise<ContainerEnd> {
  const { container: client } = await getContainerRuntimeClient();
  const start = performance.now();
  const container = await client.create({
    Image: options.image,
    Env: Object.entries(options.environment ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(options.entrypoint === undefined ? {} : { Entrypoint: [...options.entrypoint] }),
    ...(options.command === undefined ? {} : { Cmd: [...options.command] }),
    ...(options.user === undefined ? {} : { User: options.user }),
    HostConfig: {
      NetworkMode: options.networkMode ?? 'none',
      ReadonlyRootfs: true,
      Binds: (options.binds ?? []).map((bind) => `${bind}:ro`),
      CapAdd: [...(options.capabilities ?? [])],
    },
  });
  try {
    await container.start();
    const { StatusCode: code } = await container.wait();
    return { code, output: await outputOf(container.id), tookMs: performance.now() - start };
  } finally {
    await container.remove({ force: true });
  }
}

/** Sends a signal to a running container and waits for its end; it stays for others to remove or restart. */
export async function terminate(started: StartedTestContainer, signal: Signal = 'SIGTERM'): Promise<ContainerEnd> {
  const { container: client } = await getContainerRuntimeClient();
  const container = client.getById(started.getId());
  const ended = container.wait();
  const start = performance.now();
  await container.kill({ signal });
  const { StatusCode: code } = await ended;
  return { code, output: await outputOf(started.getId()), tookMs: performance.now() - start };
}

/** Everything the container has written, without the engine's framing. */
export async function outputOf(id: string): Promise<string> {
  const { container: client } = await getContainerRuntimeClient();
  const raw = await client.getById(id).logs({ stdout: true, stderr: true });
  const parts: Buffer[] = [];
  // Each part: stream number, three zeros, four bytes of length.
  for (let at = 0; at + 8 <= raw.length;) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Resident memory of its first process in MiB: all, and what it shares with nobody. Undefined when the engine is elsewhere. */
export async function memoryOf(
  started: StartedTestContainer,
): Promise<{ readonly residentMib: number; readonly anonymousMib: number } | undefined> {
  const { container: client } = await getContainerRuntimeClient();
  const { State: state } = await client.inspect(client.getById(started.getId()));
  let status: string;
  try {
    status = readFileSync(`/proc/${state.Pid}/status`, 'utf8');
    if (!readFileSync(`/proc/${state.Pid}/cmdline`, 'utf8').includes('/app/main.mjs')) return undefined;
  } catch {
    return undefined;
  }
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { residentMib: field('VmRSS'), anonymousMib: field('RssAnon') };
}
