/** `ambitctl lab ...` */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { exitCodes, LAB_MARKER } from '@ambit/runtime';
import type { Command } from 'commander';
import { enclose } from '../lab/enclosure.ts';
import { LabError } from '../lab/lab-error.ts';
import { guardLab } from '../lab/lab-guard.ts';
import { readLabFile, type LabDescription } from '../lab/lab-file.ts';
import { checkLabName, LabPaths } from '../lab/lab-names.ts';
import { readRecord, type LabRecord } from '../lab/lab-record.ts';
import { ManifestEditor } from '../lab/manifest-editor.ts';
import { checkRequirements } from '../lab/requirements.ts';
import { startLab, stopLab, superviseLab } from './lab-supervisor.ts';
import type { Surroundings } from './surroundings.ts';
import { formatTable } from './table.ts';

/** The lab that is started when no file is named. */
export const EXAMPLE_LAB: string = fileURLToPath(new URL('../../lab/lab.yaml', import.meta.url));

interface LabFlags {
  readonly file: string;
  readonly name?: string;
  readonly stateDir: string;
  readonly mesh?: boolean;
  readonly ztunnel?: readonly string[];
  readonly output?: string;
}

export function addLabCommands(program: Command, surroundings: Surroundings): void {
  const lab = program
    .command('lab')
    .description('a mesh of network namespaces on this machine')
    .enablePositionalOptions();
  const command = (usage: string, description: string): Command =>
    lab
      .command(usage)
      .description(description)
      .option('--file <lab.yaml>', 'the lab to run', EXAMPLE_LAB)
      .option('--name <name>', "the lab's name, if not the file's")
      .option('--state-dir <folder>', 'where labs keep their state', surroundings.stateRoot);

  command('up', 'start a lab in the background and wait until it is ready')
    .option('--no-mesh', 'only nodes and pods')
    .option('--ztunnel <[node=]program>', "run this program as ztunnel, for instance Istio's; repeatable", collect)
    .action(async (flags: LabFlags) => {
      checkRequirements(surroundings.searchPath);
      const description = describe(flags);
      await startLab(
        {
          surroundings,
          file: flags.file,
          name: description.name,
          stateRoot: flags.stateDir,
          withMesh: flags.mesh !== false,
          ztunnel: flags.ztunnel ?? [],
        },
        say,
      );
      say(`lab ${description.name} is up; see: ambitctl lab status --name ${description.name}`);
    });
  lab
    .command('supervise', { hidden: true })
    .requiredOption('--file <f>')
    .requiredOption('--name <n>')
    .requiredOption('--state-dir <d>')
    .option('--no-mesh')
    .option('--ztunnel <p>', '', collect)
    .action(async (flags: LabFlags) => {
      await superviseLab(surroundings, describe(flags), flags.stateDir, flags.mesh !== false);
    });
  lab
    .command('guard', { hidden: true })
    .requiredOption('--name <n>')
    .requiredOption('--state-dir <d>')
    .action(async (flags: { readonly name: string; readonly stateDir: string }) => {
      await guardLab(flags.name, new LabPaths(flags.stateDir, checkLabName(flags.name)).root, process.stdin);
    });
  command('down', 'stop a lab and remove all of it, also what a crash left').action(async (flags: LabFlags) => {
    checkRequirements(surroundings.searchPath);
    const { name } = describe(flags);
    const leftovers = await stopLab(name, flags.stateDir);
    if (leftovers.length > 0) throw new LabError('NOT_READY', `could not be removed:\n${leftovers.join('\n')}`);
    say(`lab ${name} is down`);
  });
  command('status', 'nodes, processes and pods of a lab')
    .option('-o, --output <format>', 'table or json', 'table')
    .action((flags: LabFlags) => {
      const record = readRecord(pathsOf(flags));
      process.stdout.write(
        flags.output === 'json' ? `${JSON.stringify(record, undefined, 2)}\n` : formatStatus(record),
      );
    });
  command('exec <pod> [command...]', 'run a command in a pod (namespace/name)')
    .passThroughOptions()
    .action(async (pod: string, argv: readonly string[], flags: LabFlags) => {
      process.exitCode = await execInPod(
        readRecord(pathsOf(flags)),
        pod,
        argv[0] === '--' ? argv.slice(1) : argv,
        surroundings,
      );
    });
  command('add <manifest...>', 'put manifests in force').action((files: readonly string[], flags: LabFlags) => {
    readRecord(pathsOf(flags));
    const editor = new ManifestEditor(pathsOf(flags).manifests);
    for (const file of files) editor.add(file);
  });
  command(
    'label <kind> <name> <label...>',
    'set labels (key=value) or remove them (key-) on an object, as kubectl does',
  )
    .option('-n, --namespace <namespace>', 'namespace of the object')
    .action(
      (kind: string, name: string, labels: readonly string[], flags: LabFlags & { readonly namespace?: string }) => {
        readRecord(pathsOf(flags));
        const editor = new ManifestEditor(pathsOf(flags).manifests);
        const object = {
          kind: fullKind(kind),
          name,
          ...(flags.namespace === undefined ? {} : { namespace: flags.namespace }),
        };
        for (const { key, value } of labels.map(parseLabel)) editor.label(object, key, value);
      },
    );
}

function describe(flags: LabFlags): LabDescription {
  const description = {
    ...readLabFile(flags.file),
    ztunnelPrograms: Object.fromEntries((flags.ztunnel ?? []).map(readZtunnelProgram)),
  };
  return flags.name === undefined ? description : { ...description, name: checkLabName(flags.name) };
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** `node=program`, or a program for every node. */
export function readZtunnelProgram(value: string): readonly [string, string] {
  const [, node = '*', program = ''] = /^(?:([a-z0-9-]+)=)?(.*)$/.exec(value) ?? [];
  if (!isExecutable(program))
    throw new LabError('BAD_LAB_FILE', `--ztunnel ${value}: ${program} is not an executable file`);
  return [node, program];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function pathsOf(flags: LabFlags): LabPaths {
  return new LabPaths(flags.stateDir, describe(flags).name);
}

/** `key=value`, or `key-` for removal. @throws LabError `BAD_MANIFEST` */
export function parseLabel(text: string): { readonly key: string; readonly value: string | undefined } {
  const match = /^([\w./-]+?)(?:=([\w.-]*)|(-))$/.exec(text);
  if (!match?.[1]) throw new LabError('BAD_MANIFEST', `"${text}" is neither key=value nor key-`);
  return { key: match[1], value: match[3] === '-' ? undefined : (match[2] ?? '') };
}

function fullKind(kind: string): string {
  const kinds: Readonly<Record<string, string>> = {
    ns: 'Namespace',
    namespace: 'Namespace',
    namespaces: 'Namespace',
    pod: 'Pod',
    po: 'Pod',
    pods: 'Pod',
    svc: 'Service',
    service: 'Service',
    services: 'Service',
    node: 'Node',
    nodes: 'Node',
  };
  return kinds[kind.toLowerCase()] ?? kind;
}

async function execInPod(
  record: LabRecord,
  name: string,
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const pod = record.pods.find((candidate) => candidate.name === name);
  if (!pod)
    throw new LabError(
      'POD_UNKNOWN',
      `there is no pod ${name}; there are ${record.pods.map((candidate) => candidate.name).join(', ')}`,
    );
  const overlays = [
    [`${pod.directory}/resolv.conf`, '/etc/resolv.conf'],
    [`${pod.directory}/hosts`, '/etc/hosts'],
  ] as const;
  const [program = '', ...args] = enclose({ netns: pod.netns, overlays }, argv.length === 0 ? ['sh'] : argv);
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { PATH: surroundings.searchPath, [LAB_MARKER]: record.lab, LANG: 'C.UTF-8', TERM: 'xterm' },
  });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : exitCodes.failed;
}

function formatStatus(record: LabRecord): string {
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  return [
    `lab ${record.lab}, run by process ${record.pid}${record.isUp ? '' : ', not up yet'}\n`,
    formatTable(
      ['NODE', 'ADDRESS', 'NAMESPACE'],
      record.nodes.map(({ name, address, netns }) => [name, address, netns]),
    ),
    formatTable(
      ['PROCESS', 'ON', 'PID', 'READY', 'RESTARTS'],
      record.processes.map(({ name, machine, pid, isReady, restarts }) => [
        name,
        machine,
        String(pid ?? '-'),
        yes(isReady),
        String(restarts),
      ]),
    ),
    formatTable(
      ['POD', 'NODE', 'ADDRESSES', 'READY', 'RESTARTS', 'MESH', 'IDENTITY'],
      record.pods.map((pod) => [
        pod.name,
        pod.node,
        pod.addresses.join(' '),
        yes(pod.isReady),
        String(pod.restarts),
        pod.redirection ?? '-',
        pod.identity,
      ]),
    ),
  ].join('\n');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
