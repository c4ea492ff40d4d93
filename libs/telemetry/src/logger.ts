/**
 * Loggers of the control threads: pino, JSON lines by default, one child per scope with its own level. Messages are
 * constant phrases, data go in fields. Keys and tokens are masked. Data workers use `AccessLogWriter.event` instead.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { formatTextLine } from './log-text.ts';
import { LogLevels } from './log-levels.ts';
import { LogTime, wallTimeMicros } from './log-time.ts';

/** What a component logs with. */
export type Logger = Pick<PinoLogger, 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'isLevelEnabled'>;

/** Settings of the root. */
export interface LoggerOptions {
  /** Default `json`. */
  readonly format?: 'json' | 'text';
  readonly levels?: LogLevels;
  /** Default: standard output, written synchronously. */
  readonly destination?: { write(line: string): void };
}

/** The process's loggers. */
export interface LoggerRoot {
  readonly levels: LogLevels;
  /** The logger of a scope; the same object for the same name. */
  scope(name: string): Logger;
}

const MASKED = ['token', 'authorization', 'password', 'privateKey', 'privateKeyPem', 'key', 'cookie'];

/** Builds the root. Levels follow `levels` at run time. */
export function createLogger(options: LoggerOptions = {}): LoggerRoot {
  const levels = options.levels ?? new LogLevels();
  const time = new LogTime();
  const output = options.destination ?? pino.destination({ fd: 1, sync: true });
  const stream: DestinationStream =
    options.format === 'text' ? { write: (line) => output.write(formatTextLine(line)) } : output;
  const root = pino(
    {
      base: null,
      messageKey: 'message',
      errorKey: 'error',
      level: 'trace',
      timestamp: () => `,"time":"${time.format(wallTimeMicros())}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...MASKED, ...MASKED.map((name) => `*.${name}`)], censor: '***' },
    },
    stream,
  );
  const scopes = new Map<string, PinoLogger>();
  levels.onChange(() => {
    for (const [name, logger] of scopes) logger.level = pinoLevel(levels, name);
  });
  return {
    levels,
    scope: (name) => {
      const known = scopes.get(name);
      if (known !== undefined) return known;
      const created = root.child({ scope: name }, { level: pinoLevel(levels, name) });
      scopes.set(name, created);
      return created;
    },
  };
}

function pinoLevel(levels: LogLevels, scope: string): string {
  const level = levels.levelOf(scope);
  return level === 'off' ? 'silent' : level;
}
