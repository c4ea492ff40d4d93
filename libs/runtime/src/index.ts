export type { AmbitErrorOptions, ErrorSource } from './ambit-error.ts';
export { AmbitError, assertNever, toAmbitError } from './ambit-error.ts';
export type { BackoffOptions } from './backoff.ts';
export { Backoff } from './backoff.ts';
export type { Clock } from './clock.ts';
export { ManualClock, systemClock } from './clock.ts';
export type { ConfigOf, ConfigTable, LoadedConfig } from './config.ts';
export { describeConfig, LAB_MARKER, loadConfig, printConfig } from './config.ts';
export type { ConfigEntry, ListenAddress } from './config-entry.ts';
export {
  durationMs,
  flag,
  integer,
  list,
  listenAddress,
  oneOf,
  optionalDurationMs,
  optionalFlag,
  optionalText,
  parsed,
  requiredText,
  text,
} from './config-entry.ts';
export { delay } from './delay.ts';
export type { DrainPhase, DrainTicket } from './drain.ts';
export { Drain } from './drain.ts';
export { memoryEnvironment, type MeshProgram, nodeOptions } from './node-options.ts';
export type { ProcessContext } from './process.ts';
export { exitCodes, runProcess } from './process.ts';
export { Readiness } from './readiness.ts';
export type { CommandResult, RunCommandOptions } from './run-command.ts';
export { mustRun, runCommand } from './run-command.ts';
export { abortReason, whenAborted } from './stop-signal.ts';
export type { TaskScopeOptions } from './task-scope.ts';
export { TaskScope } from './task-scope.ts';
export type { WatchDirectoryOptions } from './watch-directory.ts';
export { watchDirectory } from './watch-directory.ts';
export { WatchedFile } from './watched-file.ts';
