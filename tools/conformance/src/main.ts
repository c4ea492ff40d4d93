/**
 * `npm run conformance`: the upstream suite of the Gateway API, unmodified, on a cluster of this machine. Suite, images and
 * definitions are named by the environment; README.md says how to make them.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AmbitError, exitCodes, toAmbitError } from '@ambit/runtime';
import { Command, Option } from 'commander';
import { ConformanceCluster, type SuiteInputs } from './conformance-cluster.ts';
import { type PlanName, readTests, suiteArguments, type SuitePlan, suitePlans, type SuiteTest } from './suite-plan.ts';

const ROOT = join(import.meta.dirname, '../../..');
const RESULTS = join(ROOT, 'tools/conformance/results');

/** Undefined, after saying so, where something is not named. */
function readInputs(environment: NodeJS.ProcessEnv): SuiteInputs | undefined {
  const [suite, images, definitions] = [
    environment['AMBIT_CONFORMANCE_SUITE'],
    environment['AMBIT_CONFORMANCE_IMAGES'],
    environment['AMBIT_CONFORMANCE_DEFINITIONS'],
  ];
  if (suite !== undefined && images !== undefined && definitions !== undefined) return { suite, images, definitions };
  process.stdout.write(
    'skipped: set AMBIT_CONFORMANCE_SUITE, AMBIT_CONFORMANCE_IMAGES and AMBIT_CONFORMANCE_DEFINITIONS; see tools/conformance/README.md\n',
  );
  return undefined;
}

async function runPlan(
  plan: SuitePlan,
  cluster: ConformanceCluster,
  suite: string,
  only: string | undefined,
): Promise<readonly SuiteTest[]> {
  await cluster.prepare(plan);
  mkdirSync(RESULTS, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const reportFile = join(RESULTS, `${plan.name}.yaml`);
  const words = suiteArguments(plan, { version: String(version), reportFile, only });
  const startMs = performance.now();
  const output = await follow(
    cluster.command([suite, ...words]),
    cluster.environment,
    join(RESULTS, `${plan.name}.log`),
  );
  const tests = readTests(output, plan);
  for (const { name } of tests.filter(({ verdict }) => verdict === 'FAIL')) process.stdout.write(`failed: ${name}\n`);
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  process.stdout.write(`${plan.profiles.join(', ')}: ${counted(tests)} in ${seconds} s; report: ${reportFile}\n`);
  // A suite that ended early says nothing of its tests.
  return tests.length > 0 ? tests : [{ name: plan.name, verdict: 'FAIL' }];
}

function counted(tests: readonly SuiteTest[]): string {
  const count = (verdict: string): number => tests.filter((test) => test.verdict === verdict).length;
  return `${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIP')} skipped`;
}

/** Runs the suite, keeps everything it says in a file, and shows its verdicts. */
async function follow(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  logFile: string,
): Promise<string> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(logFile);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      log.write(part);
      for (const [, name] of part.matchAll(/^=== RUN {3}TestConformance\/([A-Za-z0-9]+)$/gm))
        process.stdout.write(`  ${name}\n`);
    });
  }
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  log.end();
  return text;
}

interface Flags {
  readonly runTest?: string;
  readonly plan?: PlanName;
}

const program = new Command('conformance')
  .description("The Gateway API's conformance suite, unmodified, on a two-node Kubernetes of this machine.")
  .addOption(new Option('--plan <name>', 'only these profiles').choices(suitePlans.map(({ name }) => name)))
  .option('--run-test <name>', 'only this test')
  .action(async ({ runTest, plan: wanted }: Flags) => {
    const inputs = readInputs(process.env);
    if (inputs === undefined) {
      process.stdout.write('0 passed, 0 failed, 1 skipped\n');
      return;
    }
    for (const path of Object.values(inputs))
      if (!existsSync(path)) throw new AmbitError('NO_INPUT', `${path} does not exist`);
    await using cluster = await ConformanceCluster.up(inputs);
    const tests: SuiteTest[] = [];
    for (const plan of suitePlans)
      if (wanted === undefined || plan.name === wanted)
        tests.push(...(await runPlan(plan, cluster, inputs.suite, runTest)));
    process.stdout.write(`${counted(tests)}\n`);
    process.exitCode = tests.some(({ verdict }) => verdict === 'FAIL') ? exitCodes.failed : exitCodes.ok;
  });

try {
  await program.parseAsync();
} catch (cause) {
  process.stderr.write(`conformance: ${toAmbitError(cause).message}\n`);
  process.exitCode = exitCodes.failed;
}
