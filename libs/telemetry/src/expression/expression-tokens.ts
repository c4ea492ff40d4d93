/** A piece of an expression's text. */
export interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'sign' | 'end';
  /** The name, the sign, or the string without quotes. */
  readonly text: string;
  /** Where it begins, from 0. */
  readonly at: number;
}

/** Why a text is no expression that can be evaluated here. */
export class ExpressionError extends Error {}

const maxChars = 4096;
const pattern =
  /\s*(?:(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<number>\d+(?:\.\d+)?)|(?<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<sign>&&|\|\||[=!<>]=|[-+*/%!<>?:()[\],.]))/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' };

/** Throws ExpressionError. The last token is `end`. */
export function expressionTokens(text: string): readonly Token[] {
  if (text.length > maxChars) throw new ExpressionError(`it has more than ${maxChars} characters`);
  const source = text.trimEnd();
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.groups;
    if (found === undefined)
      throw new ExpressionError(`"${source.slice(at, at + 10).trim()}" at ${at} is not understood`);
    const { name, number, quoted, sign = '' } = found;
    const begin = pattern.lastIndex - (name ?? number ?? quoted ?? sign).length;
    if (name !== undefined) tokens.push({ kind: 'name', text: name, at: begin });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at: begin });
    else if (quoted !== undefined) tokens.push({ kind: 'string', text: unquoted(quoted), at: begin });
    else tokens.push({ kind: 'sign', text: sign, at: begin });
  }
  tokens.push({ kind: 'end', text: 'the end', at: source.length });
  return tokens;
}

function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/gs, (_, character: string) => {
    const meant = escapes[character];
    if (meant === undefined) throw new ExpressionError(`\\${character} is no escape`);
    return meant;
  });
}
