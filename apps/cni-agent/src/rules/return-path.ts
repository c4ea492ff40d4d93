/**
 * The parts of a pod's capture that are not firewall rules: the route by which answers to a spoofed client address come
 * back to ztunnel, and the connection-tracking setting that leaves older connections alone. `ambit-netns` puts them in.
 */
import type { NetnsView } from '../pods/netns-view.ts';
import { CONNECTION_MARK, markText, RETURN_PATH } from './capture-constants.ts';
import type { NamespacePlace, NamespaceShell } from './namespace-shell.ts';

/**
 * With the kernel's default, a packet of a connection that began before tracking did counts as the start of a new one
 * and would be redirected, which kills the connection. Zero makes such packets pass untouched.
 */
const TCP_LOOSE = 'netfilter/nf_conntrack_tcp_loose';

/** A pod's namespace, as the shell enters it. */
export type PodPlace = Extract<NamespacePlace, { kind: 'pod' }>;

/** Looks into namespaces and prepares them; `NetnsLooker` is the real one. */
export interface NamespaceEyes {
  look(enterPath: string): Promise<NetnsView>;
  prepare(enterPath: string): Promise<void>;
  /** Prepares, and puts rules into a namespace that has none; false when it has some, which are left as they are. */
  capture(enterPath: string, rules: string): Promise<boolean>;
  /** All rules of nftables that the namespace holds. */
  rules(enterPath: string): Promise<string>;
}

export interface ReturnPathOptions {
  readonly shell: NamespaceShell;
  readonly eyes: NamespaceEyes;
  /** A procfs whose `sys/net` may be written. */
  readonly procRoot: string;
}

export class ReturnPath {
  readonly #options: ReturnPathOptions;

  constructor(options: ReturnPathOptions) {
    this.#options = options;
  }

  /** Idempotent. Has to be called before the first rule, so that no older connection is taken for a new one. */
  install(place: PodPlace): Promise<void> {
    return this.#options.eyes.prepare(place.enterPath);
  }

  /** Idempotent. */
  async remove(place: PodPlace): Promise<void> {
    const { shell, procRoot } = this.#options;
    const rule = `fwmark ${markText(CONNECTION_MARK)} priority ${RETURN_PATH.priority} lookup ${RETURN_PATH.table}`;
    const loose = `${procRoot}/sys/net/${TCP_LOOSE}`;
    // Rules go until none is left; an empty table and a kernel without IPv6 are what is wanted.
    const script = `for family in -4 -6; do
      while ip $family rule del ${rule} 2>/dev/null; do :; done
      ip $family route flush table ${RETURN_PATH.table} 2>/dev/null
    done
    [ ! -e ${loose} ] || echo 1 > ${loose}`;
    await shell.run(place, ['sh', '-c', script]);
  }
}
