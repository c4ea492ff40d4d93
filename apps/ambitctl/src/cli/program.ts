/** The command line of the mesh. */
import { Command } from 'commander';
import { addDemoCommand } from './demo-command.ts';
import { addLabCommands } from './lab-commands.ts';
import { addBusCommand } from './bus-command.ts';
import type { Surroundings } from './surroundings.ts';

export function createProgram(surroundings: Surroundings): Command {
  const program = new Command('ambitctl')
    .description('The terminal of the Ambit mesh: labs, the demonstration and its check.')
    .showHelpAfterError()
    .enablePositionalOptions();
  addLabCommands(program, surroundings);
  addDemoCommand(program, surroundings);
  addBusCommand(program);
  return program;
}
