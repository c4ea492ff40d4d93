/** The command line of the mesh. */
import { Command } from 'commander';
import { addDemoCommand } from './demo-command.ts';
import { addInstallCommands } from './install-commands.ts';
import { addLabCommands } from './lab-commands.ts';
import { addBusCommand } from './bus-command.ts';
import { addWaypointCommands } from './waypoint-commands.ts';
import type { Surroundings } from './surroundings.ts';

export function createProgram(surroundings: Surroundings): Command {
  const program = new Command('ambitctl')
    .description('The terminal of the Ambit mesh: installation on Kubernetes, labs on one machine, the demonstration.')
    .showHelpAfterError()
    .enablePositionalOptions();
  addInstallCommands(program, surroundings);
  addWaypointCommands(program, surroundings);
  addLabCommands(program, surroundings);
  addDemoCommand(program, surroundings);
  addBusCommand(program);
  return program;
}
