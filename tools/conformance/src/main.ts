/**
 * `npm run conformance`: the upstream suite of the Gateway API, unmodified, on a cluster of this machine. Suite, images and
 * definitions are named by the environment; README.md says how to make them.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, LabCluster, printProgress, readLabSettings } from '@ambit/kube-lab';
import { AmbitError, exitCodes, mustRun, toAmbitError } from '@ambit/runtime';
import { Command } from 'commander';
import { meshPlan, readTests, suiteArguments, type SuitePlan } from './suite-plan.ts';

const ROOT = join(import.meta.dirname, '../../..');
const RESULTS = join(ROOT, 'tools/conformance/results');
const APPS = ['ztunnel', 'cni-agent', 'control-plane', 'ca', 'waypoint'] as const;

interface Inputs {
  readonly suite: string;
  readonly images: string;
  readonly definitions: string;
}

/** Undefined, after saying so, where something is not named. */
function readInputs(environment: NodeJS.ProcessEnv): Inputs | undefined {
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

async function runSuite(plan: SuitePlan, inputs: Inputs, only: string | undefined): Promise<boolean> {
  const settings = readLabSettings({
    AMBIT_KUBE_LAB_NAME: 'conf',
    AMBIT_KUBE_LAB_PORT: String(await freePort()),
    ...process.env,
  });
  process.env['PATH'] = settings.searchPath;
  await using cluster = await LabCluster.up(settings, {
    nodes: 2,
    isDual: false,
    isControlPlaneOnly: false,
    proxyMode: 'nftables',
    apiServerArguments: [],
    kubeletArguments: [],
    progress: printProgress,
  });
  execFileSync(process.execPath, [join(ROOT, 'tools/images/src/main.ts')], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  const archives = readdirSync(inputs.images).filter((name) => name.endsWith('.tar'));
  await cluster.loadImages([
    ...APPS.map((app) => join(ROOT, '.cache/images', `${app}.tar`)),
    ...archives.map((name) => join(inputs.images, name)),
  ]);
  const { KUBECONFIG = '', PATH = '' } = cluster.environment;
  const environment = { KUBECONFIG, PATH, HOME: settings.home };
  const run = (...argv: readonly string[]): Promise<string> => mustRun(argv, { env: environment, timeoutMs: 300_000 });
  await run('kubectl', 'apply', '--server-side', '-f', inputs.definitions);
  const system = ['-n', 'ambit-system', '--create-namespace'];
  await run('helm', 'install', 'ambit-crds', join(ROOT, 'charts/ambit-crds'), ...system);
  const profile = join(ROOT, 'charts/ambit/profiles/kube-lab.yaml');
  await run('helm', 'install', 'ambit', join(ROOT, 'charts/ambit'), ...system, '--values', profile, '--wait');
  for (const namespace of plan.waypoints) {
    await run('kubectl', 'create', 'namespace', namespace);
    const labels = Object.entries(plan.namespaceLabels).map(([key, value]) => `${key}=${value}`);
    await run('kubectl', 'label', 'namespace', namespace, ...labels);
    const ambitctl = [process.execPath, join(ROOT, 'apps/ambitctl/src/main.ts')];
    await run(...ambitctl, 'waypoint', 'apply', '--kubeconfig', cluster.kubeconfig, '-n', namespace, '--wait');
  }
  mkdirSync(RESULTS, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const reportFile = join(RESULTS, `${plan.name}.yaml`);
  const words = suiteArguments(plan, { version: String(version), reportFile, only });
  const output = await follow(
    cluster.machines.commandInNetwork([inputs.suite, ...words]),
    environment,
    join(RESULTS, `${plan.name}.log`),
  );
  const tests = readTests(output, plan);
  const count = (verdict: string): number => tests.filter((test) => test.verdict === verdict).length;
  for (const { name } of tests.filter(({ verdict }) => verdict === 'FAIL')) process.stdout.write(`failed: ${name}\n`);
  process.stdout.write(`report: ${reportFile}\n`);
  process.stdout.write(`${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIP')} skipped\n`);
  return count('PASS') > 0 && count('FAIL') === 0;
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

const program = new Command('conformance')
  .description("The Gateway API's conformance suite, unmodified, on a two-node Kubernetes of this machine.")
  .option('--run-test <name>', 'only this test')
  .action(async ({ runTest }: { readonly runTest?: string }) => {
    const inputs = readInputs(process.env);
    if (inputs === undefined) {
      process.stdout.write('0 passed, 0 failed, 1 skipped\n');
      return;
    }
    for (const path of Object.values(inputs))
      if (!existsSync(path)) throw new AmbitError('NO_INPUT', `${path} does not exist`);
    process.exitCode = (await runSuite(meshPlan, inputs, runTest)) ? exitCodes.ok : exitCodes.failed;
  });

try {
  await program.parseAsync();
} catch (cause) {
  process.stderr.write(`conformance: ${toAmbitError(cause).message}\n`);
  process.exitCode = exitCodes.failed;
}
