/** A node: a "machine" made of namespaces with a disk of its own, that can lose power and boot again. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CachePaths, LabPaths } from '../lab-paths.ts';
import type { LabSettings } from '../lab-settings.ts';
import type { BackgroundProcesses } from '../machine/background-process.ts';
import { hasSysResource } from '../machine/capabilities.ts';
import { addCgroup, deleteCgroup } from '../machine/cgroup.ts';
import { deleteNamespace } from '../machine/network-namespace.ts';
import { nodeAddresses } from './address-plan.ts';
import { makeNodeCertificate } from './certificates.ts';
import { makeNodeNetwork, nodeNamespace } from './cluster-network.ts';
import type { LabDescription } from './lab-description.ts';
import { containerdConfig, kubeletConfig, networkConfig, proxyConfig, type NodeFacts } from './node-files.ts';

const INIT = join(import.meta.dirname, '../../assets/node-init.sh');
const CNI_CONFIG = 'etc/cni/net.d/10-bridge.conflist';

export class NodeMachine {
  readonly number: number;
  readonly name: string;
  readonly #settings: LabSettings;
  readonly #paths: LabPaths;
  readonly #processes: BackgroundProcesses;

  constructor(number: number, settings: LabSettings, processes: BackgroundProcesses) {
    this.number = number;
    this.name = `node${number}`;
    this.#settings = settings;
    this.#paths = new LabPaths(settings);
    this.#processes = processes;
  }

  get isRunning(): boolean {
    return this.#processes.pid(this.name) !== undefined;
  }

  /** True once it was ever booted in this lab. */
  get hasDisk(): boolean {
    return existsSync(this.#paths.disk(this.number));
  }

  /** Boots it; what an earlier life wrote to its disk is still there. */
  async boot(lab: LabDescription): Promise<void> {
    const { name, port } = this.#settings;
    const disk = this.#paths.disk(this.number);
    const cgroup = nodeNamespace(name, this.number);
    const facts: NodeFacts = {
      node: this.number,
      disk,
      certificates: this.#paths.certificates,
      proxyKubeconfig: this.#paths.kubeconfig('proxy'),
      cgroup,
      hasSysResource: hasSysResource(),
      lab,
    };
    mkdirSync(join(disk, 'log'), { recursive: true });
    if (!existsSync(this.#paths.kubeconfig(this.name))) await makeNodeCertificate(this.#paths, port, this.number);
    this.#writeFiles(facts);
    await this.clear();
    await makeNodeNetwork(name, this.number, lab.isDual);
    addCgroup(cgroup);
    const own = nodeAddresses(this.number);
    await this.#processes.start(this.name, {
      // When unshare is killed, so is its child, the node's process 1, and with that one everything else.
      argv: ['unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child=SIGKILL', INIT],
      networkNamespace: nodeNamespace(name, this.number),
      env: {
        NODE: this.name,
        DISK: disk,
        LAB: this.#paths.root,
        BIN: new CachePaths(this.#settings).programs,
        NODE_IPS: lab.isDual ? `${own.v4},${own.v6}` : own.v4,
        KUBELET_ARGS: lab.kubeletArguments.join(' '),
        DUAL: lab.isDual ? '1' : '',
      },
    });
  }

  /** As by pulling the plug: every process at once, the network gone, the disk kept. */
  async kill(): Promise<void> {
    this.#processes.stop(this.name);
    await this.clear();
  }

  /** Removes what a dead node leaves outside of its disk. */
  async clear(): Promise<void> {
    await deleteNamespace(nodeNamespace(this.#settings.name, this.number));
    deleteCgroup(nodeNamespace(this.#settings.name, this.number));
  }

  /** The command line that runs `argv` on the node, in all its namespaces; undefined when it is not running. */
  command(argv: readonly string[]): readonly string[] | undefined {
    const init = this.#initPid();
    return init === undefined ? undefined : ['nsenter', '-t', init, '-m', '-u', '-i', '-n', '-p', '--', ...argv];
  }

  /** The same in the node's network only, as a direct child that takes signals itself. */
  networkCommand(argv: readonly string[]): readonly string[] | undefined {
    const init = this.#initPid();
    return init === undefined ? undefined : ['nsenter', '-t', init, '-n', '--', ...argv];
  }

  /** The recorded process is `unshare`, outside of the node; its only child is the node's process 1. */
  #initPid(): string | undefined {
    const outer = this.#processes.pid(this.name);
    if (outer === undefined) return undefined;
    const [first] = readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').trim().split(' ');
    return first === undefined || first === '' ? undefined : first;
  }

  #writeFiles(facts: NodeFacts): void {
    const { disk } = facts;
    const write = (name: string, text: string): void => {
      mkdirSync(dirname(join(disk, name)), { recursive: true });
      writeFileSync(join(disk, name), text);
    };
    write('containerd.toml', containerdConfig(facts));
    write('kubelet.yaml', kubeletConfig(facts));
    write('kube-proxy.yaml', proxyConfig(facts));
    write('resolv.conf', 'nameserver 127.0.0.1\n');
    // What somebody chained into it stays, as on a real node.
    if (!existsSync(join(disk, CNI_CONFIG))) write(CNI_CONFIG, networkConfig(facts));
  }
}
