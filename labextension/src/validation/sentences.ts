/** What is told of validations, in words. Pure. */

import { bytes, type Words } from '../format';
import type {
  CheckedNotebook,
  RunningNotebook,
  ValidationAnswer
} from '../wire';

type Limits = NonNullable<ValidationAnswer['limits']>;

/** A space that doesn't break between a number and its unit. */
const SPACE = '\u00a0';

export const ENDED: ReadonlySet<string> = new Set([
  'done',
  'cancelled',
  'failed'
]);

export function isGood(notebook: CheckedNotebook): boolean {
  return notebook.verdict === 'passed' || notebook.verdict === 'skipped';
}

export function verdictWords(
  verdict: CheckedNotebook['verdict'],
  words: Words
): string {
  switch (verdict) {
    case 'passed':
      return words.__('passed');
    case 'failed':
      return words.__('failed');
    case 'timed-out':
      return words.__('timed out');
    case 'out-of-memory':
      return words.__('out of memory');
    case 'kernel-died':
      return words.__('kernel died');
    case 'invalid':
      return words.__('invalid');
    case 'skipped':
      return words.__('skipped');
  }
}

/** What is validated: `lectures`, `01-intro.ipynb and 3 more`. */
export function subject(paths: readonly string[], words: Words): string {
  const [first = ''] = paths;
  const name = first.slice(first.lastIndexOf('/') + 1) || words.__('all files');
  return paths.length > 1
    ? words.__('%1 and %2 more', name, paths.length - 1)
    : name;
}

/** How far it is, in one line. */
export function standing(answer: ValidationAnswer, words: Words): string {
  const { done, total } = answer.progress;
  switch (answer.status) {
    case 'queued':
      return answer.position === 1
        ? words.__('Waits for another validation on this server to end')
        : words.__(
            'Waits; number %1 in the queue of this server',
            answer.position ?? ''
          );
    case 'running':
      if (answer.cancelling) {
        return words.__('Stopping: what runs is ended');
      }
      return total === null
        ? words.__('Starting')
        : words.__('Running: %1 of %2 notebooks have ended', done, total);
    case 'done':
      return verdictLine(answer, words);
    case 'cancelled':
      return words.__(
        'Cancelled: %1 of %2 notebooks had been run',
        answer.notebooks.filter(({ verdict }) => verdict !== 'skipped').length,
        total ?? 0
      );
    case 'failed':
      return words.__('Not validated');
  }
}

function verdictLine(answer: ValidationAnswer, words: Words): string {
  const { length } = answer.notebooks;
  const bad = answer.notebooks.filter(one => !isGood(one)).length;
  if (answer.notebooks.every(({ verdict }) => verdict === 'skipped')) {
    return words.__('There was nothing to run');
  }
  return bad === 0
    ? words._n(
        '%1 notebook: nothing went wrong',
        '%1 notebooks: nothing went wrong',
        length
      )
    : words._n(
        'The notebook did not pass',
        '%2 of %1 notebooks did not pass',
        length,
        bad
      );
}

/** How far it was when the server forgot it. */
export function lostLine(answer: ValidationAnswer, words: Words): string {
  const { done, total } = answer.progress;
  return total === null
    ? words.__('Ended before a notebook had run')
    : words.__('Ended early: %1 of %2 notebooks had been run', done, total);
}

/** `Each notebook may take 10 min and 2.0 GiB.` */
export function limitsLine(limits: Limits, words: Words): string {
  const { time, cell_time: cell, memory, gpu_memory: gpu } = limits;
  const parts = [
    ...(time === null ? [] : [seconds(time)]),
    ...(memory === null ? [] : [bytes(memory, words)]),
    ...(gpu === null ? [] : [words.__('%1 of GPU memory', bytes(gpu, words))])
  ];
  const whole =
    parts.length === 0
      ? words.__('There is no limit for a notebook.')
      : parts.length === 1
        ? words.__('Each notebook may take %1.', parts[0])
        : words.__(
            'Each notebook may take %1 and %2.',
            parts.slice(0, -1).join(', '),
            parts[parts.length - 1]
          );
  return cell === null
    ? whole
    : `${whole} ${words.__('Each cell may take %1.', seconds(cell))}`;
}

/** `cell 3 of 12`; cells that run are counted. */
export function cellLine(notebook: RunningNotebook, words: Words): string {
  if (notebook.cell === null) {
    return words.__('its kernel starts');
  }
  return notebook.cells === null
    ? words.__('cell %1', notebook.number)
    : words.__('cell %1 of %2', notebook.number, notebook.cells);
}

/** `3.1 s`, `10 min`, `1 min 30 s`. */
export function seconds(value: number): string {
  if (value < 59.95) {
    return `${Math.round(value * 10) / 10}${SPACE}s`;
  }
  const whole = Math.round(value);
  const rest = whole % 60;
  const minutes = `${Math.floor(whole / 60)}${SPACE}min`;
  return rest === 0 ? minutes : `${minutes} ${rest}${SPACE}s`;
}

/** What did not pass goes first; else as they ended. */
export function sorted(
  notebooks: readonly CheckedNotebook[]
): CheckedNotebook[] {
  return [
    ...notebooks.filter(one => !isGood(one)),
    ...notebooks.filter(isGood)
  ];
}

/** The part of a path below the folder that all have in common. */
export function shortName(path: string, paths: readonly string[]): string {
  const folder = paths.length === 1 ? (paths[0] ?? '') : '';
  return folder && path.startsWith(`${folder}/`)
    ? path.slice(folder.length + 1)
    : path;
}
