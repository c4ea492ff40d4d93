/** Grouped horizontal bars as SVG: one panel a figure, one bar a subject. No script, no external font. */

export interface ChartPanel {
  readonly title: string;
  /** Unit and direction, for example `thousand a second, more is better`. */
  readonly note: string;
  readonly bars: readonly { readonly label: string; readonly value: number; readonly emphasis: boolean }[];
}

const PANEL_WIDTH = 420;
const BAR_HEIGHT = 18;
const GAP = 6;
const LABEL_WIDTH = 110;
const VALUE_WIDTH = 70;
const HEAD = 44;
const COLUMNS = 2;

export function barChart(title: string, panels: readonly ChartPanel[]): string {
  const heights = panels.map((panel) => HEAD + panel.bars.length * (BAR_HEIGHT + GAP) + 20);
  const rowHeights: number[] = [];
  for (const [index, height] of heights.entries()) {
    const row = Math.floor(index / COLUMNS);
    rowHeights[row] = Math.max(rowHeights[row] ?? 0, height);
  }
  const height = rowHeights.reduce((sum, row) => sum + row, 0) + 60;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${PANEL_WIDTH * COLUMNS + 40}" height="${height}" font-family="system-ui, sans-serif" font-size="13">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="20" y="32" font-size="18" font-weight="600" fill="#1a1a2e">${escapeXml(title)}</text>`,
  ];
  let top = 60;
  for (const [index, panel] of panels.entries()) {
    const column = index % COLUMNS;
    parts.push(drawPanel(panel, 20 + column * PANEL_WIDTH, top));
    if (column === COLUMNS - 1) top += rowHeights[Math.floor(index / COLUMNS)] ?? 0;
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

function drawPanel(panel: ChartPanel, left: number, top: number): string {
  const largest = Math.max(...panel.bars.map((bar) => bar.value).filter(Number.isFinite), Number.MIN_VALUE);
  const room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH - 20;
  const parts = [
    `<text x="${left}" y="${top + 12}" font-weight="600" fill="#1a1a2e">${escapeXml(panel.title)}</text>`,
    `<text x="${left}" y="${top + 29}" font-size="11" fill="#667">${escapeXml(panel.note)}</text>`,
  ];
  for (const [index, bar] of panel.bars.entries()) {
    const y = top + HEAD + index * (BAR_HEIGHT + GAP);
    const width = Number.isFinite(bar.value) ? Math.max(1, (bar.value / largest) * room) : 0;
    parts.push(
      `<text x="${left + LABEL_WIDTH - 8}" y="${y + 13}" text-anchor="end" fill="#334"${bar.emphasis ? ' font-weight="600"' : ''}>${escapeXml(bar.label)}</text>`,
      `<rect x="${left + LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${bar.emphasis ? '#2f6fed' : '#b9c3d6'}"/>`,
      `<text x="${(left + LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 13}" fill="#334">${formatFigure(bar.value)}</text>`,
    );
  }
  return parts.join('\n');
}

/** Three significant digits, no exponent. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return 'n/a';
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
