/**
 * Network namespaces for tests: made with a prefix of their own, deleted on dispose. Needs root and iproute2; tests pass
 * `netnsSkipReason()` as `skip`, so that a machine without them reports a skip and not a pass.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';

/** Why namespaces cannot be used here, or false. */
export function netnsSkipReason(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs the command ip (iproute2)';
  }
}

/** One namespace. Belongs to the {@link NetnsSet} that made it. */
export class Netns {
  /** As `ip netns` lists it. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** To be opened as a namespace descriptor. */
  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs a command inside and returns what it printed; throws with its error output if it fails or takes over 10 s. */
  run(command: string, ...args: string[]): string {
    return execute('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Starts a command inside. The caller ends it. */
  spawn(command: string, ...args: string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Gives an address, as `10.0.0.1/24`, to an interface and brings it up. IPv6 is usable at once (no duplicate detection). */
  addAddress(device: string, cidr: string): void {
    this.run('ip', 'address', 'add', cidr, 'dev', device, ...(cidr.includes(':') ? ['nodad'] : []));
    this.run('ip', 'link', 'set', device, 'up');
  }
}

/** One end of a link between namespaces. */
export interface LinkEnd {
  readonly netns: Netns;
  /** Name of the interface inside, at most 15 characters. */
  readonly device: string;
  /** Addresses with prefix length. */
  readonly addresses: readonly string[];
}

/** The namespaces of one test. `label` says whose they are: names are `ambt-<label>-<process>-<random>-<name>`. */
export class NetnsSet implements Disposable {
  readonly #prefix: string;
  readonly #made: Netns[] = [];

  constructor(label: string) {
    removeAbandoned();
    this.#prefix = `ambt-${label}-${process.pid}-${randomBytes(4).toString('hex')}`;
  }

  /** Makes a namespace with loopback up. */
  create(name: string): Netns {
    const netns = new Netns(`${this.#prefix}-${name}`);
    execute('ip', ['netns', 'add', netns.name]);
    this.#made.push(netns);
    netns.run('ip', 'link', 'set', 'lo', 'up');
    return netns;
  }

  /** Joins two namespaces by a veth pair. */
  link(a: LinkEnd, b: LinkEnd): void {
    const peer = ['peer', 'name', b.device, 'netns', b.netns.name];
    execute('ip', ['link', 'add', a.device, 'netns', a.netns.name, 'type', 'veth', ...peer]);
    for (const end of [a, b]) {
      end.netns.run('ip', 'link', 'set', end.device, 'up');
      for (const address of end.addresses) end.netns.addAddress(end.device, address);
    }
  }

  /** Deletes the namespaces and with them their links. Sockets in them live until they are closed. */
  [Symbol.dispose](): void {
    for (const netns of this.#made.splice(0)) execute('ip', ['netns', 'delete', netns.name]);
  }
}

/** What tests left behind that were killed. */
function removeAbandoned(): void {
  for (const name of listed()) {
    const [, pid] = /^ambt-[a-z]+-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    // Another test may be at it as well.
    spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore', timeout: 10_000 });
  }
}

function listed(): readonly string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    return [];
  }
}

function execute(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'pipe'] });
}
