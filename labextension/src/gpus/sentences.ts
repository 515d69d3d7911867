/** Pure rules: what the panel says in words. */

import { age, bytesOf, percent, type Words } from '../format';
import type { Column } from './history';
import type { IGpuState } from './model';
import { occupancy, usable, type IDeviceRow, type IKernelRow } from './rows';

const NOBODY: ReadonlySet<string> = new Set();

/**
 * The line at the top, which answers the question that brought the person. `held`: devices that
 * somebody has a right to, so that they are not free even where nothing runs.
 */
export function answer(
  state: IGpuState,
  rows: readonly IDeviceRow[],
  words: Words,
  held = NOBODY
): string {
  if (state.phase === 'refused') {
    return refusal(state, words);
  }
  if (!state.answer) {
    return state.phase === 'away'
      ? words.__('The server does not answer')
      : words.__('Looking at the GPUs…');
  }
  if (rows.length === 0) {
    switch (state.answer.driver.status) {
      case 'missing':
        return words.__('No GPU on this machine');
      case 'mismatch':
        return words.__('GPU driver mismatch');
      case 'unresponsive':
        return words.__('The GPU driver does not answer yet');
      case 'error':
        return words.__('The GPU driver reports an error');
      default:
        return state.sample
          ? words.__('The driver lists no GPU')
          : words.__('Looking at the GPUs…');
    }
  }
  return devicesInUse(rows, words, held);
}

function refusal({ problem }: IGpuState, words: Words): string {
  switch (problem?.status) {
    case 401:
    case 403:
      return words.__('You may not see the GPUs of this server');
    case 404:
      return words.__('The server part is not running');
    default:
      return problem?.code === 'config.invalid'
        ? words.__('The settings of jupyter-gpuctl can’t be used')
        : words.__('The server could not answer');
  }
}

function devicesInUse(
  rows: readonly IDeviceRow[],
  words: Words,
  held: ReadonlySet<string>
): string {
  const places = usable(rows);
  const count = { free: 0, used: 0, unknown: 0, broken: 0 };
  let idle = 0;
  for (const row of places) {
    const state = occupancy(row);
    if (state === 'free' && held.has(row.device.uuid)) {
      idle += 1;
    } else {
      count[state] += 1;
    }
  }
  const total = places.length;
  if (idle > 0 && count.used + idle === total) {
    return total === 2
      ? words.__('Both GPUs are taken')
      : words._n('The GPU is taken', 'All %1 GPUs are taken', total);
  }
  if (count.used === total) {
    return total === 2
      ? words.__('Both GPUs are in use')
      : words._n('The GPU is in use', 'All %1 GPUs are in use', total);
  }
  const instances = places.filter(row => row.isInstance).length;
  const parts = [
    instances === 0
      ? words._n('%1 GPU', '%1 GPUs', total)
      : instances === total
        ? words._n('%1 MIG instance', '%1 MIG instances', total)
        : words._n('%1 device', '%1 devices', total)
  ];
  if (count.unknown < total) {
    parts.push(
      count.free === total
        ? total === 1
          ? words.__('free')
          : words.__('all free')
        : count.free === 0
          ? words.__('none free')
          : words.__('%1 free', count.free)
    );
  }
  if (count.broken > 0) {
    parts.push(words.__('%1 not readable', count.broken));
  }
  return parts.join(', ');
}

/** Which of this server's notebooks compute, and where; empty for none. */
export function yours(kernels: readonly IKernelRow[], words: Words): string {
  const computing = kernels.filter(row => row.devices.length > 0);
  const first = computing[0];
  if (!first) {
    return '';
  }
  const labels = [
    ...new Set(
      computing.flatMap(row => row.devices.map(device => device.label))
    )
  ].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const [one = '', two] = labels;
  const where =
    labels.length > 2
      ? words.__('%1 devices', labels.length)
      : two === undefined
        ? one
        : words.__('%1 and %2', one, two);
  return computing.length === 1
    ? words.__('%1 is on %2', first.title, where)
    : words.__('%1 notebooks here are on %2', computing.length, where);
}

/** For a screen reader, in place of a plot: the newest value and the range before it. */
export function plotSummary(
  name: string,
  values: Column,
  span: string,
  format: (value: number | null) => string,
  words: Words
): string {
  const known = values.filter(value => value !== null);
  if (known.length === 0) {
    return words.__('%1: not available', name);
  }
  const low = format(Math.min(...known));
  const high = format(Math.max(...known));
  const now = format(values[values.length - 1] ?? null);
  return low === high
    ? words.__('%1 %2, steady for %3', name, now, span)
    : words.__(
        '%1 %2, in the last %3 between %4 and %5',
        name,
        now,
        span,
        low,
        high
      );
}

/** What the status bar shows; `null` where it has nothing to say. */
export interface IStatusText {
  readonly text: string;
  readonly title: string;
  readonly stale: boolean;
}

export function statusText(
  state: IGpuState,
  rows: readonly IDeviceRow[],
  now: number,
  words: Words
): IStatusText | null {
  if (!state.answer || state.phase === 'refused') {
    return null;
  }
  const { driver } = state.answer;
  if (rows.length === 0) {
    const broken = driver.status === 'mismatch' || driver.status === 'error';
    return broken
      ? {
          text: words.__('GPU: driver error'),
          title: [driver.message, driver.hint].join('\n'),
          stale: false
        }
      : null;
  }
  const loads = rows.flatMap(({ reading }) => reading?.utilization ?? []);
  const wholes = rows.filter(row => !row.isInstance);
  const used = sum(wholes.map(({ reading }) => reading?.memory_used ?? null));
  const total = sum(wholes.map(({ device }) => device.memory_total));
  const mean = loads.length ? (sum(loads) ?? 0) / loads.length : null;
  const stale = state.phase === 'away';
  const figures = [
    ...(mean === null ? [] : [percent(mean, words)]),
    bytesOf(used, total, words)
  ];
  const lines = rows.map(
    ({ label, device, reading }) =>
      `${label}: ${percent(reading?.utilization ?? null, words)}, ` +
      bytesOf(reading?.memory_used ?? null, device.memory_total, words)
  );
  return {
    text: words.__('GPU %1', figures.join(' · ')),
    title: [
      answer(state, rows, words),
      ...lines,
      ...(driver.status === 'simulated' ? [words.__('Simulated')] : []),
      ...(stale ? [staleness(state, now, words)] : [])
    ].join('\n'),
    stale
  };
}

/** The sum of what is known; `null` where nothing is. */
function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter(value => value !== null);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

/** How old the values are that a server left behind when it went away. */
export function staleness(state: IGpuState, now: number, words: Words): string {
  return state.receivedAt === null
    ? words.__('The server does not answer.')
    : words.__(
        'The server does not answer. Values from %1 ago.',
        age((now - state.receivedAt) / 1000)
      );
}

/**
 * What a screen reader is told of a change: that something broke or came back, never a figure.
 * Empty where there is nothing to tell.
 */
export function announcement(
  before: IGpuState,
  after: IGpuState,
  rows: readonly IDeviceRow[],
  words: Words
): string {
  if (before.phase !== after.phase) {
    if (after.phase === 'away') {
      return words.__('The server does not answer.');
    }
    if (before.phase !== 'live' || after.phase !== 'live') {
      return answer(after, rows, words);
    }
  }
  const driver = after.answer?.driver;
  if (
    driver &&
    before.answer &&
    before.answer.driver.status !== driver.status
  ) {
    return driver.message || answer(after, rows, words);
  }
  const was = new Map(before.sample?.devices.map(r => [r.uuid, r.status]));
  for (const { reading, label } of rows) {
    const status = reading && was.get(reading.uuid);
    if (reading && status && status !== reading.status) {
      return reading.status === 'ok'
        ? words.__('%1 can be read again.', label)
        : `${label}: ${reading.problem ?? reading.status}`;
    }
  }
  return '';
}
