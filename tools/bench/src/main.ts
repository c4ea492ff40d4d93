import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { AmbitError, exitCodes, toAmbitError } from '@ambit/runtime';
import { type ClusterKind, clusterKinds } from './control-plane/cluster.ts';
import { runControlPlane } from './control-plane/run-control-plane.ts';
import { interruptible } from './interruptible.ts';
import { runL4 } from './l4/run-l4.ts';
import { runL7 } from './l7/run-l7.ts';
import type { SubjectName } from './l4/subjects.ts';
import { subjectNames } from './l4/subjects.ts';

const program = new Command('bench').description('Benchmarks beside peers; ratios and medians of one run.');

program
  .command('l4')
  .description('two pods on two nodes: direct, haproxy, Ambit, and the Rust ztunnel that AMBIT_BENCH_ZTUNNEL names')
  .option('--rounds <n>', 'alternating rounds', positive, 3)
  .option('--seconds <n>', 'length of one run of load', positive, 2)
  .option('--idle <n>', 'idle connections whose memory is measured', positive, 2_000)
  .option('--only <names>', `comma-separated subjects out of ${subjectNames.join(', ')}`, subjects)
  .option('--json <file>', 'results as JSON', 'tools/bench/results/l4.json')
  .option('--svg <file>', 'drawing', 'tools/bench/results/l4.svg')
  .action(
    async (options: {
      rounds: number;
      seconds: number;
      idle: number;
      only?: ReadonlySet<SubjectName>;
      json: string;
      svg: string;
    }) => {
      const rustProgram = peerProgram();
      const wanted = new Set(options.only ?? subjectNames);
      if (wanted.has('rust') && rustProgram === undefined) {
        wanted.delete('rust');
        process.stdout.write('AMBIT_BENCH_ZTUNNEL names no program: the Rust ztunnel is left out\n');
      }
      await interruptible((stack) =>
        runL4({
          stack,
          rounds: options.rounds,
          seconds: options.seconds,
          idleConnections: options.idle,
          subjects: wanted,
          rustProgram,
          jsonFile: options.json,
          svgFile: options.svg,
          write: (text) => void process.stdout.write(text),
        }),
      );
    },
  );

program
  .command('l7')
  .description('a waypoint behind a node proxy: Ambit, and the Envoy that AMBIT_BENCH_ENVOY names')
  .option('--rounds <n>', 'alternating rounds', positive, 3)
  .option('--seconds <n>', 'length of one run of load', positive, 3)
  .option('--json <file>', 'results as JSON', 'tools/bench/results/l7.json')
  .option('--svg <file>', 'drawing', 'tools/bench/results/l7.svg')
  .action(async (options: { rounds: number; seconds: number; json: string; svg: string }) => {
    // oxlint-disable-next-line node/no-process-env
    const envoyProgram = process.env['AMBIT_BENCH_ENVOY'] || undefined;
    if (envoyProgram === undefined) process.stdout.write('AMBIT_BENCH_ENVOY names no program: Envoy is left out\n');
    await interruptible((stack) =>
      runL7({
        stack,
        rounds: options.rounds,
        seconds: options.seconds,
        envoyProgram,
        jsonFile: options.json,
        svgFile: options.svg,
        write: (text) => void process.stdout.write(text),
      }),
    );
  });

program
  .command('control-plane')
  .description('a control plane with many pods and a thousand xDS clients')
  .addOption(
    new Option('--cluster <kind>', 'a real API server, or what stands in for one and costs little')
      .choices(clusterKinds)
      .default('api-server'),
  )
  .option('--kubeconfig <file>', 'a real API server without pods, to be filled, instead of one made for the run')
  .option('--pods <n>', 'pods, node proxies included', whole, 50_000)
  .option('--services <n>', 'services', whole, 2_000)
  .option('--policies <n>', 'authorization policies', whole, 2_000)
  .option('--clients <n>', 'nodes, each with an xDS client', whole, 1_000)
  .option('--connections <n>', 'TLS connections that the clients share', whole, 1_000)
  .option('--changes <n>', 'pod changes a second', whole, 100)
  .option('--seconds <n>', 'how long changes are made', whole, 10)
  .option('--rounds <n>', 'rounds', whole, 3)
  .option('--node-arguments <text>', 'arguments for the node of the control plane, such as --cpu-prof', '')
  .option('--json <file>', 'results as JSON', 'tools/bench/results/control-plane.json')
  .option('--svg <file>', 'drawing', 'tools/bench/results/control-plane.svg')
  .action(
    async (options: {
      cluster: ClusterKind;
      kubeconfig?: string;
      pods: number;
      services: number;
      policies: number;
      clients: number;
      connections: number;
      changes: number;
      seconds: number;
      rounds: number;
      nodeArguments: string;
      json: string;
      svg: string;
    }) => {
      const { pods, services, policies, clients, connections, changes, seconds, rounds } = options;
      if (options.cluster === 'stand-in' && options.kubeconfig !== undefined) {
        throw new AmbitError('BAD_ARGUMENT', '--kubeconfig is for a real API server: leave out --cluster stand-in');
      }
      await interruptible((stack) =>
        runControlPlane({
          stack,
          cluster: options.cluster,
          kubeconfig: options.kubeconfig,
          size: { pods, services, policies, nodes: clients },
          connections,
          changesPerSecond: changes,
          seconds,
          rounds,
          nodeArguments: options.nodeArguments.split(' ').filter((word) => word !== ''),
          jsonFile: options.json,
          svgFile: options.svg,
          write: (text) => void process.stdout.write(text),
        }),
      );
    },
  );

program
  .command('cni')
  .description('what the mesh adds to the start of a pod: plugin, node agent and ztunnel, many pods on one node; root')
  .option('--pods <n>', 'pods on the node', whole, 100)
  .option('--parallel <n>', 'pods that start at a time', whole, 1)
  .action(async ({ pods, parallel }: { pods: number; parallel: number }) => {
    const root = join(import.meta.dirname, '../../..');
    const run = async (script: string, ...args: readonly string[]): Promise<void> => {
      const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`${script} ended with code ${String(code)}`);
    };
    await run('tools/bundle/src/main.ts', 'cni-agent', 'ztunnel');
    await run('apps/cni-agent/bench/pod-start.ts', '--pods', String(pods), '--parallel', String(parallel));
  });

/** The one setting of the benchmark: where the peer's program is. */
function peerProgram(): string | undefined {
  // oxlint-disable-next-line node/no-process-env
  return process.env['AMBIT_BENCH_ZTUNNEL'] || undefined;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above zero');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number above zero');
  return value;
}

function subjects(text: string): ReadonlySet<SubjectName> {
  return new Set(
    text.split(',').map((word) => {
      const name = subjectNames.find((candidate) => candidate === word.trim());
      if (name === undefined) throw new InvalidArgumentError(`expected some of ${subjectNames.join(', ')}`);
      return name;
    }),
  );
}

try {
  await program.parseAsync();
} catch (cause) {
  process.stderr.write(`${toAmbitError(cause).message}\n`);
  // Not only its code: interrupted work may go on.
  process.exit(exitCodes.failed);
}
