/**
 * A text with `*` anywhere, each standing for any run of characters other than `/`. Matching is linear in pattern and
 * text together for each star, without a regular expression that a value could make slow.
 */
export class Glob {
  readonly #pieces: readonly string[];

  constructor(pattern: string) {
    this.#pieces = pattern.split('*');
  }

  matches(text: string): boolean {
    const pieces = this.#pieces;
    const first = pieces[0] ?? '';
    const last = pieces.at(-1) ?? '';
    if (pieces.length === 1) return text === first;
    if (text.includes('/')) return false;
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (let i = 1; i < pieces.length - 1; i++) {
      const piece = pieces[i] ?? '';
      const found = text.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  }
}
