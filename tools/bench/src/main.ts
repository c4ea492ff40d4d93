import { Command, InvalidArgumentError } from 'commander';
import { exitCodes, toAmbitError } from '@ambit/runtime';
import { runL4 } from './l4/run-l4.ts';
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
      await runL4({
        rounds: options.rounds,
        seconds: options.seconds,
        idleConnections: options.idle,
        subjects: wanted,
        rustProgram,
        jsonFile: options.json,
        svgFile: options.svg,
        write: (text) => void process.stdout.write(text),
      });
    },
  );

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
  process.exitCode = exitCodes.failed;
}
