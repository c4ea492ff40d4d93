/** `kube-lab docker`: the engine for Testcontainers. */
import type { Command } from 'commander';
import { DockerEngine } from '../docker/docker-engine.ts';
import type { LabSettings } from '../lab-settings.ts';
import { printProgress } from '../progress.ts';
import { bringUp } from './interruptible.ts';
import { runHere } from './run-here.ts';
import { shellExports } from './shell-exports.ts';

export function addDockerCommands(program: Command, settings: LabSettings): void {
  const docker = program
    .command('docker')
    .description('a Docker engine in a network of its own')
    .enablePositionalOptions();
  docker
    .command('up')
    .description('start it, and print what to export')
    .action(async () => {
      const engine = await bringUp(
        () => DockerEngine.up(settings, printProgress),
        () => DockerEngine.giveUp(settings),
      );
      process.stdout.write(shellExports(engine.environment));
    });
  docker
    .command('env')
    .description('print again what to export')
    .action(() => void process.stdout.write(shellExports(DockerEngine.attach(settings).environment)));
  docker
    .command('exec')
    .description('run a command where published ports are on localhost')
    .argument('<command...>')
    .passThroughOptions()
    .action((argv: readonly string[]) => {
      const engine = DockerEngine.attach(settings);
      runHere(engine.commandInNetwork(argv), engine.environment);
    });
  docker
    .command('down')
    .description('remove it with its containers and images')
    .action(async () => {
      await DockerEngine.down(settings);
      printProgress('the Docker engine is down');
    });
}
