/** `ambitctl demo`: what `npm start` runs. */
import { exitCodes } from '@ambit/runtime';
import type { Command } from 'commander';
import { checkRequirements } from '../lab/requirements.ts';
import { runDemo } from '../demo/demo.ts';
import { collect, EXAMPLE_LAB, readZtunnelProgram } from './lab-commands.ts';
import type { Surroundings } from './surroundings.ts';

interface DemoFlags {
  readonly check?: boolean;
  readonly only?: string;
  readonly file: string;
  readonly name?: string;
  readonly stateDir: string;
  readonly ztunnel?: readonly string[];
}

export function addDemoCommand(program: Command, surroundings: Surroundings): void {
  program
    .command('demo')
    .description('show a two-node mesh at work, and prove what it promises')
    .option('--check', 'run everything unattended and print one line per claim')
    .option('--only <ids>', 'only these groups of claims, such as 1,4')
    .option('--file <lab.yaml>', 'the lab to run it in', EXAMPLE_LAB)
    .option('--name <name>', "the lab's name, if not the file's")
    .option('--state-dir <folder>', 'where labs keep their state', surroundings.stateRoot)
    .option('--ztunnel <[node=]program>', "run this program as ztunnel, for instance Istio's; repeatable", collect)
    .action(async (flags: DemoFlags) => {
      checkRequirements(surroundings.searchPath);
      const isProven = await runDemo({
        labFile: flags.file,
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ztunnelPrograms: Object.fromEntries((flags.ztunnel ?? []).map(readZtunnelProgram)),
        stateRoot: flags.stateDir,
        searchPath: surroundings.searchPath,
        isCheck: flags.check === true,
        only: flags.only?.split(','),
      });
      if (!isProven) process.exitCode = exitCodes.findings;
    });
}
