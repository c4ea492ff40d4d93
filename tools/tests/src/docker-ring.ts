/**
 * `*.docker.test.ts` with a Docker engine: the one that `DOCKER_HOST` names, the machine's own, or one that is started
 * for the ring in a network of its own, where the tests then run, too.
 */
import { existsSync } from 'node:fs';
import { DockerEngine, printProgress, readLabSettings } from '@ambit/kube-lab';
import { runCommand, toAmbitError } from '@ambit/runtime';
import { failRing, runSerial, skipFiles } from './serial-ring.ts';
import { EMPTY_SUMMARY, type TestSummary } from './test-summary.ts';
import { PROJECTS, testFiles } from './test-files.ts';

const SOCKET = '/var/run/docker.sock';

export async function runDockerRing(root: string): Promise<TestSummary> {
  const files = testFiles(root, PROJECTS, 'docker');
  if (files.length === 0) return EMPTY_SUMMARY;
  const given = process.env['DOCKER_HOST'];
  if (given !== undefined && given !== '') return runSerial(root, 'docker', files);
  if (await hasOwnEngine()) return runSerial(root, 'docker', files, { env: { DOCKER_HOST: `unix://${SOCKET}` } });
  if (process.getuid?.() !== 0)
    return skipFiles(root, files, 'no Docker engine answers, and starting one needs root: run as root (sudo npm test)');
  const settings = { ...readLabSettings(process.env), name: `t${process.pid % 100_000}` };
  try {
    await using engine = await DockerEngine.up(settings, printProgress);
    const enter = (argv: readonly string[]): readonly string[] => engine.commandInNetwork(argv);
    return await runSerial(root, 'docker', files, { env: engine.environment, enter });
  } catch (cause) {
    return failRing(EMPTY_SUMMARY, `the docker ring has no engine: ${toAmbitError(cause).message}`);
  }
}

async function hasOwnEngine(): Promise<boolean> {
  if (!existsSync(SOCKET)) return false;
  try {
    return (await runCommand(['docker', '-H', `unix://${SOCKET}`, 'version'], { timeoutMs: 5_000 })).code === 0;
  } catch {
    return false;
  }
}
