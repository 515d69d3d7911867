/** English, as the null translator of JupyterLab speaks it. */

import type { Words } from '../src/format';

const fill = (text: string, args: readonly unknown[]): string =>
  text.replace(/%(\d+)/g, (_, n: string) => String(args[Number(n) - 1]));

export const english: Words = {
  __: (text, ...args: unknown[]) => fill(text, args),
  _n: (one, many, n, ...args: unknown[]) =>
    fill(n === 1 ? one : many, [n, ...args])
};
