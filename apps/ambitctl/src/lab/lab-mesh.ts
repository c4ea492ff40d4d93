/** The mesh's processes of a lab: started in stages, looked at, stopped together. */
import { linkAddresses } from './address-plan.ts';
import { LabError } from './lab-error.ts';
import type { LabDescription } from './lab-file.ts';
import type { LabPaths } from './lab-names.ts';
import { logTail } from './log-tail.ts';
import { MeshProcess } from './mesh-process.ts';
import { planProcesses, START_STAGES } from './process-plan.ts';

export interface LabMeshOptions {
  readonly description: LabDescription;
  readonly paths: LabPaths;
  /** Root of the repository. */
  readonly repository: string;
  /** Network namespace of a node or of the fabric. */
  readonly machine: (name: string) => string;
  readonly env: Readonly<Record<string, string>>;
  readonly onProgress: (line: string) => void;
  readonly onProblem: (line: string) => void;
}

const READY_TIMEOUT_MS = 60_000;

export class LabMesh implements AsyncDisposable {
  readonly #options: LabMeshOptions;
  readonly #processes: ReadonlyMap<string, MeshProcess>;

  constructor(options: LabMeshOptions) {
    this.#options = options;
    const { description, paths, repository, machine, env, onProblem } = options;
    const processes = planProcesses(description, paths).map((plan) => {
      const node = description.nodes.find(({ name }) => name === plan.machine);
      return new MeshProcess({
        plan,
        repository,
        netns: machine(plan.machine),
        nodeDirectory: paths.node(plan.machine),
        nameserver: node && linkAddresses(node.number).node.v4,
        env,
        logFile: paths.log(plan.name),
        onProblem,
      });
    });
    this.#processes = new Map(processes.map((process) => [process.name, process]));
  }

  /** @throws LabError `NOT_READY` with the end of the log of the process that did not come up. */
  async start(): Promise<void> {
    for (const stage of START_STAGES) {
      const processes = this.list().filter(({ plan }) => stage.includes(plan.kind));
      for (const process of processes) process.start();
      for (const process of processes) await this.#waitReady(process);
    }
  }

  /** @throws LabError `PROCESS_UNKNOWN` */
  get(name: string): MeshProcess {
    const process = this.#processes.get(name);
    if (process) return process;
    throw new LabError(
      'PROCESS_UNKNOWN',
      `there is no process ${name}; there are ${[...this.#processes.keys()].join(', ')}`,
    );
  }

  list(): readonly MeshProcess[] {
    return [...this.#processes.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list().map((process) => process.stop()));
  }

  async #waitReady(process: MeshProcess): Promise<void> {
    try {
      await process.waitReady(READY_TIMEOUT_MS);
    } catch (cause) {
      const tail = logTail(this.#options.paths, process.name);
      throw new LabError(
        'NOT_READY',
        `${process.name} did not get ready within ${READY_TIMEOUT_MS} ms. The end of its log:\n${tail}`,
        cause,
      );
    }
    this.#options.onProgress(`ready: ${process.name}`);
  }
}
